"""The models of a committee, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.multiply_adds import count_macs


@dataclass(frozen=True, eq=False)
class CascadeStage:
    """A model of a cascade.

    Attributes:
        model: answers with logits, or with a dictionary that holds `logits`.
        cost: multiply-adds of a row; counted in the model's graph where None.
        resolution: height and width that images are resized to first; None for as they come.
        temperature: divides the logits before the softmax, above 0. It changes averages, so search thresholds again.
    """

    model: tf.keras.Model
    cost: int | None = None
    resolution: tuple[int, int] | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise DataError(f"temperature {self.temperature} of {self.model.name}; give a number above 0")

    def multiply_adds(self, input_shape: Sequence[int]) -> int:
        """Of one row of this shape, such as `(32, 32, 3)`."""
        if self.cost is not None:
            return self.cost
        return count_macs(self.model, input_shape if self.resolution is None else (*self.resolution, *input_shape[2:]))

    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """Float32 `[batch, ..., classes]` of images `[batch, height, width, channels]`."""
        if self.resolution is not None:
            images = tf.image.resize(images, self.resolution, antialias=True)
        return tf.nn.softmax(logits_of(self.model(images, training=False)) / self.temperature)


def logits_of(answer: Any) -> tf.Tensor:
    """The logits of a model's answer, in float32: what decides must not depend on the precision of what computes.

    Raises:
        DataError: the answer is a dictionary without `logits`.
    """
    if isinstance(answer, Mapping):
        if "logits" not in answer:
            raise DataError(f"the model answers with {sorted(answer)}; name one of its outputs 'logits'")
        answer = answer["logits"]
    return tf.cast(answer, tf.float32)


def check_classes(models: Sequence[tf.keras.Model]) -> None:
    """Have all models tell the same number of classes apart.

    Raises:
        DataError: there is no model, or they do not.
    """
    if not models:
        raise DataError("a committee of no models; give one or more")
    outputs = [model.output["logits"] if isinstance(model.output, Mapping) else model.output for model in models]
    classes = [int(output.shape[-1]) for output in outputs]
    if len(set(classes)) > 1:
        found = ", ".join(f"{model.name} {count}" for model, count in zip(models, classes, strict=True))
        raise DataError(f"the models tell different numbers of classes apart ({found}); give models of one task")
