"""Learning the students of a split teacher, all in one pass, one by one, or from activations on disk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.distillation.feeds import Feed, cached_feed, noise_feed, teacher_feed
from vision_components.distillation.inputs import Moments
from vision_components.distillation.split import Split
from vision_components.distillation.steps import MakeOptimizer, StudentStep
from vision_components.distillation.times import DistillationTimes

Inputs = Literal["teacher", "gaussian", "matched_gaussian"]
Schedule = Literal["one_pass", "separate", "cached"]
MASK_UPDATES = 50


@dataclass(frozen=True)
class Distilled:
    """What was learned.

    Attributes:
        students: by the name of their neighbourhood; the models that were given, now trained.
        relative_error: squared error over squared target in the last epoch, as the students read it.
        channel_error: the same for each channel, float32 `[channels]`: a low mean can hide a dead channel.
        times: seconds of every student; of all together under the name `one_pass` where they learned so.
    """

    students: dict[str, tf.keras.Model]
    relative_error: dict[str, float]
    channel_error: dict[str, NDArray[np.float32]]
    times: DistillationTimes


class NeighbourhoodDistiller:
    """Learns students of neighbourhoods from a teacher, without labels.

    The problems have no variable in common and the teacher's activations are constants, so the three schedules learn
    the same: `one_pass` runs the teacher once a batch for all students, on one machine the cheapest; `separate` is what
    each of several machines would do; `cached` keeps the activations of all images on disk and runs the teacher once.

    Args:
        split: of the teacher, which runs in inference mode and is not changed.
        students: by the name of their neighbourhood; neighbourhoods without one keep the teacher's part.
        optimizer: makes an optimizer for one student; Adam with rate 0.001 where None.
        inputs: what students read: the `teacher`'s activations, unit `gaussian` noise or `matched_gaussian` noise,
            drawn afresh for every step. Students of noise have the noise's statistics in their normalisation layers.
        moments: of what each neighbourhood reads, for `matched_gaussian`.
        sparsity: share of every student's weights that become zero.
        seed: of the order of images and of the noise.

    Raises:
        DataError: a student fits no neighbourhood, or moments are missing.
    """

    def __init__(
        self,
        split: Split,
        students: Mapping[str, tf.keras.Model],
        optimizer: MakeOptimizer | None = None,
        inputs: Inputs = "teacher",
        moments: Sequence[Moments] | None = None,
        sparsity: float = 0.0,
        seed: int = 0,
    ) -> None:
        split.check(students)
        if inputs not in ("teacher", "gaussian", "matched_gaussian"):
            raise DataError(f"inputs {inputs!r}; give teacher, gaussian or matched_gaussian")
        if (inputs == "matched_gaussian") != (moments is not None):
            raise DataError(f"inputs {inputs!r} with{'out' if moments is None else ''} moments; both go together")
        if not students:
            raise DataError("no students; give one or more, by the names of their neighbourhoods")
        self.split, self.inputs, self.moments, self.seed = split, inputs, moments, seed
        make = optimizer or (lambda: tf.keras.optimizers.Adam(1e-3))
        self._steps = [
            StudentStep(part, place, students[part.name], make(), sparsity)
            for place, part in enumerate(split.neighbourhoods)
            if part.name in students
        ]

    def fit(
        self,
        images: NDArray[np.generic],
        epochs: int,
        batch_size: int = 64,
        schedule: Schedule = "one_pass",
        folder: Path | None = None,
    ) -> Distilled:
        """Learn.

        Args:
            images: `[rows, height, width, channels]`; with noise as inputs only their number and shape are used.
            epochs: passes over them.
            batch_size: a last incomplete batch is left out.
            schedule: see the class.
            folder: for cached activations, which are deleted afterwards; the system's where None.

        Raises:
            DataError: there is less than one batch or epoch, or the disk has no room for the activations.
        """
        if epochs < 1 or not 1 <= batch_size <= len(images):
            raise DataError(f"epochs {epochs}, batch_size {batch_size}, {len(images)} images; give one batch and epoch")
        if schedule not in ("one_pass", "separate", "cached"):
            raise DataError(f"schedule {schedule!r}; give one_pass, separate or cached")
        if schedule == "one_pass":
            groups = {"one_pass": self._steps}
        else:
            groups = {step.neighbourhood.name: [step] for step in self._steps}
        sums: dict[str, NDArray[np.float64]] = {}
        seconds: dict[str, float] = {}
        for name, steps in groups.items():
            begun = time.perf_counter()
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                feed = self._feed(steps, images, schedule, Path(scratch), batch_size)
                sums |= self._learned(steps, feed, len(images), epochs, batch_size)
            seconds[name] = time.perf_counter() - begun
        return Distilled(
            students={step.neighbourhood.name: step.student for step in self._steps},
            relative_error={name: float(one[0].sum() / one[1].sum()) for name, one in sums.items()},
            channel_error={name: (one[0] / np.maximum(one[1], 1e-30)).astype(np.float32) for name, one in sums.items()},
            times=DistillationTimes(seconds),
        )

    def _feed(
        self,
        steps: Sequence[StudentStep],
        images: NDArray[np.generic],
        schedule: Schedule,
        scratch: Path,
        batch_size: int,
    ) -> Feed:
        places = [step.place for step in steps]
        if self.inputs != "teacher":
            return noise_feed(self.split, places, self.moments, images.shape[1:], self.seed)
        if schedule == "cached":
            return cached_feed(self.split, places[0], images, scratch, batch_size)
        return teacher_feed(self.split, places, images)

    def _learned(
        self, steps: Sequence[StudentStep], feed: Feed, rows: int, epochs: int, batch_size: int
    ) -> dict[str, NDArray[np.float64]]:
        """Run all steps of some students; returns the sums of their errors in the last epoch, `[2, channels]`."""
        learn = tf.function(
            lambda pairs: [step(*pair) for step, pair in zip(steps, pairs, strict=True)], reduce_retracing=True
        )
        rng, number, last = np.random.default_rng(self.seed), 0, epochs * (rows // batch_size)
        every = max(1, last // MASK_UPDATES)
        for _ in range(epochs):
            sums = [np.zeros(())] * len(steps)
            for batch in batches_of(rng.permutation(rows), batch_size):
                number += 1
                sums = [total + one.numpy() for total, one in zip(sums, learn(feed(batch, number)), strict=True)]
                if number % every == 0 or number == last:
                    for step in steps:
                        step.mask.update(number / last)
        return {step.neighbourhood.name: one.astype(np.float64) for step, one in zip(steps, sums, strict=True)}


def batches_of(order: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Whole batches of an order of rows."""
    for start in range(0, len(order) - batch_size + 1, batch_size):
        yield order[start : start + batch_size]
