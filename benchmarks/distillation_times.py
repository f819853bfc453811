"""What steps of distillation cost: of every part, of the teacher before it, and of the whole student end to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.cifar10 import Images
from benchmarks.step_times import step_seconds
from vision_components.distillation import Split
from vision_components.distillation.feeds import teacher_feed
from vision_components.distillation.fine_tuning import end_to_end_step
from vision_components.distillation.steps import StudentStep

WHOLE = "end to end"


@dataclass(frozen=True)
class StepCosts:
    """Seconds of one step on a batch, measured in turns.

    Attributes:
        teacher: by part, the teacher's run that makes the part's input and target.
        student: by part, the student's own step, with its batch of activations read from memory.
        whole: of the assembled student, towards labels and teacher.
    """

    teacher: Mapping[str, float]
    student: Mapping[str, float]
    whole: float

    def running(self, steps: int) -> dict[str, float]:
        """Seconds of each part where the teacher runs in every step."""
        return {name: steps * (self.teacher[name] + self.student[name]) for name in self.student}

    def cached(self, steps: int, epochs: int) -> dict[str, float]:
        """Seconds of each part where the teacher runs once over the images and its activations are kept."""
        return {name: steps * (self.teacher[name] / epochs + self.student[name]) for name in self.student}


def step_costs(
    parts: Split,
    students: Mapping[str, tf.keras.Model],
    train: Images,
    batch: int,
    optimizer: Callable[[], tf.keras.optimizers.Optimizer],
    **turns: int,
) -> StepCosts:
    """Measure all kinds of steps in turns; the students are changed.

    Args:
        parts: the teacher's.
        students: by the name of their part.
        train: at least one batch.
        batch: rows of a step.
        optimizer: makes one for each student and for the whole.
        turns: as for `step_seconds`.
    """
    rows = np.arange(batch)
    steps: dict[str, Callable[[], object]] = {}
    for place, part in enumerate(parts.neighbourhoods):
        if part.name in students:
            feed = teacher_feed(parts, [place], train.pixels)
            step = StudentStep(part, place, students[part.name], optimizer(), 0.0)
            steps[f"teacher {part.name}"] = lambda feed=feed: feed(rows, 1)
            kept = [tensor.numpy() for tensor in feed(rows, 1)[0]]
            steps[f"student {part.name}"] = _student_step(step, kept)
    network = parts.compose(students)
    whole = end_to_end_step(network, optimizer(), True, parts.teacher)
    classes = tf.constant(train.classes[:batch])
    steps[WHOLE] = lambda: whole(tf.cast(train.pixels[rows], tf.float32), classes)
    seconds = step_seconds(steps, **turns)
    return StepCosts(
        teacher={name: seconds[f"teacher {name}"] for name in students},
        student={name: seconds[f"student {name}"] for name in students},
        whole=seconds[WHOLE],
    )


def _student_step(step: StudentStep, kept: list[Any]) -> Callable[[], object]:
    learn = tf.function(step)
    return lambda: learn(*(tf.constant(one) for one in kept))
