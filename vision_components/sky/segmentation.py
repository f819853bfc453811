"""A small U-shaped network that says how likely each pixel is sky."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.backbones.parts import convolution, layers, pixels
from vision_components.sky.network import MODEL, SkyNetwork

SIDE = 256
WIDTHS = (16, 32, 64, 128)


def unet(side: int = SIDE, widths: Sequence[int] = WIDTHS, name: str = "sky_unet") -> tf.keras.Model:
    """A network from pixels `[batch, side, side, 3]` of 0 to 255 to probabilities of sky `[batch, side, side, 1]`.

    Each level has two 3x3 convolutions with batch normalisation and half the size of the one above; on the way up its
    channels are first mixed to the next width, then doubled in size and joined with those of the way down. Scaling of
    the pixels is inside. It is an ordinary functional model whose widths a structure search may change.

    Args:
        side: height and width, a multiple of 2 for every level but the first.
        widths: channels of the levels, from the finest; two or more.
        name: of the model.

    Raises:
        DataError: side or widths do not allow such a network.

    Source: Ronneberger et al. (arXiv 1505.04597), smaller and with normalisation.
    """
    halvings = len(widths) - 1
    if halvings < 1 or min(widths) < 1:
        raise DataError(f"widths {tuple(widths)}; give two or more, each 1 or more")
    if side < 2 << halvings or side % (1 << halvings):
        raise DataError(f"side {side}; give a multiple of {1 << halvings}, {2 << halvings} or more")
    image, x = pixels((side, side, 3))
    skips = []
    for level, width in enumerate(widths):
        if level:
            skips.append(x)
            x = layers.MaxPooling2D(name=f"smaller_{level}")(x)
        x = _twice(x, width, f"down_{level}")
    for level in reversed(range(halvings)):
        x = layers.ReLU(name=f"mixed_{level}")(convolution(x, widths[level], 1, name=f"mixed_{level}"))
        x = layers.UpSampling2D(interpolation="bilinear", name=f"larger_{level}")(x)
        x = layers.Concatenate(name=f"joined_{level}")([x, skips[level]])
        x = _twice(x, widths[level], f"up_{level}")
    x = layers.Conv2D(1, 1, name="logits")(x)
    return tf.keras.Model(image, layers.Activation("sigmoid", name="probability")(x), name=name)


def load_unet(path: Path) -> tf.keras.Model:
    """A sky network that was saved as a Keras model: `sky.keras` of a folder, or what a structure search made of it.

    Raises:
        DataError: the file is absent or no Keras model, or does not give square images one probability a pixel.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; give a .keras file, such as {MODEL} in a network's folder")
    try:
        model = tf.keras.models.load_model(path, compile=False)
    # Keras raises errors of many kinds on files that are none of its own.
    except Exception as error:
        raise DataError(f"{path} is no Keras model ({error}); give {MODEL} of a network's folder") from None
    read, said = model.input_shape, model.output_shape
    if not isinstance(read, tuple) or len(read) != 4 or read[1] != read[2] or said != (None, read[1], read[1], 1):
        raise DataError(f"{path} reads {read} and answers {said}; give a model of [side, side, 3] to [side, side, 1]")
    return model


def keras_network(model: tf.keras.Model) -> SkyNetwork:
    """A Keras model as the photo chain asks it; an exported one is faster on processors."""
    run = tf.function(lambda photos: model(tf.cast(photos, tf.float32), training=False)[..., 0], reduce_retracing=True)

    def probabilities(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        return run(tf.constant(photos)).numpy()

    return SkyNetwork(int(model.input_shape[1]), probabilities, model.name)


def _twice(x: tf.Tensor, width: int, name: str) -> tf.Tensor:
    for part in ("first", "second"):
        x = layers.ReLU(name=f"{name}_{part}")(convolution(x, width, 3, name=f"{name}_{part}"))
    return x
