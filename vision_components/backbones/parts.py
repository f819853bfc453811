"""What all backbones are made of: scaled pixels, normalised convolutions, the heads."""

from __future__ import annotations

import tensorflow as tf

layers = tf.keras.layers

# With Keras' own 0.99 the statistics lag behind the weights for hundreds of steps, which short training does not have.
MOMENTUM = 0.9


def pixels(shape: tuple[int | None, int | None, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """An input of pixels from 0 to 255, `[batch, height, width, channels]`, and the same scaled to -1 to 1."""
    image = layers.Input(shape, name="image")
    return image, layers.Rescaling(1 / 127.5, offset=-1, name="scaled")(image)


def convolution(x: tf.Tensor, filters: int, size: int, stride: int = 1, name: str | None = None) -> tf.Tensor:
    """A convolution without bias, initialised for rectified units (He et al.), then batch normalisation."""
    x = layers.Conv2D(
        filters, size, stride, "same", use_bias=False, kernel_initializer="he_normal", name=name and f"{name}_conv"
    )(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=name and f"{name}_norm")(x)


def model_with_heads(
    image: tf.Tensor, features: tf.Tensor, classes: int, embedding_width: int | None, name: str
) -> tf.keras.Model:
    """Pool the features over the image and add the heads.

    With an embedding, the logits are a linear function of it: so it holds what tells the classes apart, and cascade
    stages that agree on it can share a consumer.

    Args:
        image: the model's input.
        features: `[batch, height, width, channels]`.
        classes: 2 or more.
        embedding_width: of the embedding; None for logits alone.
        name: of the model.

    Raises:
        ValueError: there are fewer than two classes, or the width is not positive.
    """
    if classes < 2:
        raise ValueError(f"classes {classes}; give 2 or more")
    pooled = layers.GlobalAveragePooling2D(name="pooled")(features)
    if embedding_width is None:
        return tf.keras.Model(image, layers.Dense(classes, name="logits")(pooled), name=name)
    if embedding_width < 1:
        raise ValueError(f"embedding_width {embedding_width}; give 1 or more, or None for logits alone")
    embedding = layers.Dense(embedding_width, name="embedding")(pooled)
    logits = layers.Dense(classes, name="logits")(embedding)
    return tf.keras.Model(image, {"logits": logits, "embedding": embedding}, name=name)
