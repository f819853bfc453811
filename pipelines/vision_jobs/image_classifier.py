"""A Keras model that names the classes of images: what it reads, what it learns from, how often it is right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.vision_jobs.labelled_images import LabelledImages
from seriatim_errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

# By a name of the command line: what pixels of 0 to 255 are multiplied by, and what is added.
PIXEL_RANGES = {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}
EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Classifier:
    """A model of classes, how it is fed and how it is judged.

    Attributes:
        model: the network.
        key: of its output, where it has several by name.
        from_logits: whether it answers with logits, not with probabilities.
        scale: what pixels of 0 to 255 are multiplied by, and what is added.
    """

    model: tf.keras.Model
    key: str | None
    from_logits: bool
    scale: tuple[float, float]

    @classmethod
    def of(cls, model: tf.keras.Model, images: LabelledImages, pixels: str) -> Classifier:
        """A model that is to be fed with such images.

        Args:
            model: with one output of numbers a class, or one called `logits`.
            images: that it is to read.
            pixels: range that it reads, a key of `PIXEL_RANGES`.

        Raises:
            DataError: it reads other images, or tells fewer classes apart.
        """
        height, width, channels = images.pixels.shape[1:]
        if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
            shapes = [list(one.shape[1:]) for one in model.inputs]
            raise DataError(f"{model.name} reads {shapes}; give a model of one image [height, width, channels]")
        wanted = model.inputs[0].shape[1:]
        if any(size not in (None, own) for size, own in zip(wanted, (height, width, channels), strict=True)):
            raise DataError(
                f"{model.name} reads images of {list(wanted)}, those given are {[height, width, channels]}; "
                "resize them or give another model"
            )
        key = "logits" if isinstance(model.output, dict) and "logits" in model.output else None
        output = model.output[key] if key else model.output
        if isinstance(output, (list, dict)) or len(output.shape) != 2:
            raise DataError(f"{model.name} answers with more than numbers [batch, classes]; give a model of classes")
        if output.shape[-1] < len(images.names):
            raise DataError(
                f"{model.name} tells {output.shape[-1]} classes apart, the images have {len(images.names)} "
                f"({', '.join(images.names[:8])}); give a model with as many outputs"
            )
        found = cls(model, key, True, PIXEL_RANGES[pixels])
        answers = found.answers(images.pixels[:16])
        is_probability = bool((answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-3))
        return replace(found, from_logits=not is_probability)

    @property
    def loss(self) -> Any:
        """Keras loss."""
        import tensorflow as tf

        entropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=self.from_logits)
        return {self.key: entropy} if self.key else entropy

    def batches(self, images: LabelledImages, batch: int, seed: int) -> tf.data.Dataset:
        """Batches of what the model reads and of classes, in another order each epoch."""
        import tensorflow as tf

        size = min(batch, len(images))
        rows = tf.data.Dataset.from_tensor_slices((images.pixels, images.labels))
        rows = rows.shuffle(len(images), seed=seed).batch(size, drop_remainder=True)
        scale, offset = self.scale

        def scaled(pixels: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Any]:
            return tf.cast(pixels, tf.float32) * scale + offset, {self.key: labels} if self.key else labels

        return rows.map(scaled)

    def answers(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Numbers of the classes, `[rows, classes]`."""
        scale, offset = self.scale
        found = []
        for start in range(0, len(pixels), EVALUATION_BATCH):
            read = pixels[start : start + EVALUATION_BATCH].astype(np.float32) * np.float32(scale) + np.float32(offset)
            answer = self.model(read, training=False)
            found.append(np.asarray(answer[self.key] if self.key else answer, np.float32))
        return np.concatenate(found)

    def accuracy(self, images: LabelledImages) -> float:
        """Share of the images of which the largest number names the class."""
        return float((self.answers(images.pixels).argmax(axis=1) == images.labels).mean())
