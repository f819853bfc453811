"""What every student does to the whole when it alone replaces its neighbourhood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vision_components.distillation.split import Split
from vision_components.multiply_adds import count_macs


@dataclass(frozen=True)
class SwapOne:
    """A student in the teacher.

    Attributes:
        neighbourhood, student: names.
        accuracy: of the teacher with this one part replaced.
        cost, teacher_cost: multiply-adds of an image, of the student and of what it replaces.
    """

    neighbourhood: str
    student: str
    accuracy: float
    cost: int
    teacher_cost: int


def swap_one_report(
    split: Split, students: Mapping[str, tf.keras.Model], images: NDArray[np.generic], labels: NDArray[np.integer]
) -> list[SwapOne]:
    """Accuracy of the teacher with each student alone put in, in the order of the neighbourhoods."""
    shape, rows = tuple(images.shape[1:]), []
    for part in split.neighbourhoods:
        if part.name in students:
            student = students[part.name]
            accuracy = accuracy_of(split.compose({part.name: student}), images, labels)
            costs = (count_macs(model, shape) for model in (student, part.model))
            rows.append(SwapOne(part.name, student.name, accuracy, *costs))
        shape = tuple(part.model.compute_output_shape((1, *shape))[1:])
    return rows


def accuracy_of(
    model: tf.keras.Model, images: NDArray[np.generic], labels: NDArray[np.integer], batch_size: int = 256
) -> float:
    """Share of rows of which the largest logit is the label's."""
    run = tf.function(lambda pixels: tf.argmax(model(pixels, training=False), axis=-1), reduce_retracing=True)
    found = [
        run(tf.cast(images[start : start + batch_size], tf.float32)).numpy()
        for start in range(0, len(images), batch_size)
    ]
    return float((np.concatenate(found) == labels).mean())
