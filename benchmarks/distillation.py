"""Neighbourhood distillation on CIFAR-10 beside distilling the same student end to end, and without images.

A trained ResNet-14 is the teacher; the students have half the channels between the two convolutions of each block, and
the stem stays. End to end the assembled student, freshly initialised, learns from labels and teacher in trainings of
different lengths. Seconds are numbers of steps times what a step takes, measured for all kinds of steps in turns: with
a machine for each part, neighbourhood distillation takes as long as the longest, and then the epochs together.
The teacher is kept in `--work`; how long all takes follows from the numbers of epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.cifar10 import Cifar10, Images, read_cifar10
from benchmarks.distillation_times import StepCosts, step_costs
from benchmarks.harness import parse_options, report
from benchmarks.image_training import PRECISION, accuracy, precision, trained
from vision_components.backbones import resnet
from vision_components.distillation import (
    NeighbourhoodDistiller,
    Split,
    fine_tune,
    measured_moments,
    moments_from_normalisation,
    residual_student,
    split,
)
from vision_components.multiply_adds import count_macs

NEEDS = {
    "minutes": 60,
    "least": 6,
    "small": ["--images", "1000", "--epochs", "1", "--teacher-epochs", "1"],
    "data": ["cifar10"],
    "work": True,
}
DEPTH, WIDTH, CLASSES, BATCH, RATE, MIDDLE = 14, 32, 10, 128, 2e-3, 0.5
NAME = f"resnet{DEPTH}_{WIDTH}"
# Lengths of the end-to-end trainings, in epochs, each with a learning rate of its own that ends at nothing.
LENGTHS = (1, 2, 3, 5, 8)
# Epochs together after the parts are assembled; parts of an epoch are one pass over as large a part of the images.
TUNED = (0.0, 0.25, 0.5, 1.0, 2.0)
STATISTICS_BATCHES = 30


@dataclass(frozen=True)
class Reached:
    """An accuracy on test images, and the seconds that it took."""

    accuracy: float
    seconds: float


def main() -> None:
    options = parse_options(
        "distillation",
        __doc__ or "",
        ("--data", {"type": Path, "default": Path("../shared/data/cifar10"), "help": "folder of CIFAR-10's tar files"}),
        ("--work", {"type": Path, "default": Path("runs/distillation"), "help": "folder with the teacher's weights"}),
        ("--images", {"type": int, "default": 20000, "help": "images that students learn from"}),
        ("--epochs", {"type": int, "default": 3, "help": "passes over them, for each part"}),
        ("--teacher-epochs", {"type": int, "default": 10, "help": "passes over the training images, for the teacher"}),
        PRECISION,
    )
    given = options.extra
    data = read_cifar10(given.data)
    teacher = trained_teacher(given.work, data, given.teacher_epochs, given.precision)
    train = data.train.take(np.arange(given.images))
    figures, rows = compared(teacher, train, data.test, given.epochs, LENGTHS)
    settings = {
        "teacher": NAME,
        "teacher_epochs": given.teacher_epochs,
        "teacher_precision": given.precision,
        "images": len(train),
        "epochs": given.epochs,
        "batch": BATCH,
        "middle": MIDDLE,
    }
    report(options, settings, figures, rows)


def trained_teacher(work: Path, data: Cifar10, epochs: int, policy: str) -> tf.keras.Model:
    """The teacher, trained where the folder has no weights of it."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{NAME}.weights.h5"
    if not path.exists():
        with precision(policy):
            learner = _untrained_teacher()
            trained(learner, data.train, epochs, seed=0)
        learner.save_weights(path)
    model = _untrained_teacher()
    model.load_weights(path)
    return model


def compared(
    teacher: tf.keras.Model, train: Images, test: Images, epochs: int, lengths: Sequence[int]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """All figures, and a row for every network that was made."""
    parts = split(teacher)
    costs = step_costs(parts, fresh_students(parts, 0), train, BATCH, lambda: cosine_adam(1))
    steps = len(train) // BATCH
    whole = costs.whole * steps
    running, cached = costs.running(epochs * steps), costs.cached(epochs * steps, epochs)
    rows = [_row("teacher", accuracy(teacher, test), 0, teacher)]
    students = fresh_students(parts, 0)
    learned = NeighbourhoodDistiller(parts, students, lambda: cosine_adam(epochs * steps)).fit(
        train.pixels, epochs, BATCH
    )
    tuned: list[Reached] = []
    for more in TUNED:
        network = copied(parts.compose(students))
        statistics_of(network, train)
        tune(network, teacher, train, more)
        tuned.append(Reached(accuracy(network, test), more * whole))
        name = f"parts, {more:g} epochs together" if more else "parts put together"
        rows.append(_row(name, tuned[-1].accuracy, sum(cached.values()) + more * whole, network))
    ends: list[Reached] = []
    for length in lengths:
        network = parts.compose(fresh_students(parts, 1))
        tune(network, teacher, train, length)
        ends.append(Reached(accuracy(network, test), length * whole))
        rows.append(_row(f"end to end, {length} epochs", ends[-1].accuracy, length * whole, network))
    rows += [_without_images(parts, costs, train, test, epochs, name) for name in ("gaussian", "matched", "measured")]
    figures = {f"relative_error_{name}": error for name, error in learned.relative_error.items()}
    figures |= {"seconds_of_an_epoch_end_to_end": whole}
    for kind, seconds in (("running", running), ("cached", cached)):
        figures[f"seconds_of_all_parts_teacher_{kind}"] = sum(seconds.values())
        figures[f"seconds_of_the_slowest_part_teacher_{kind}"] = max(seconds.values())
    costs_by_kind = {"running": running, "cached": cached}
    for more, reached in zip(TUNED, tuned, strict=True):
        figures[f"accuracy_after_{more:g}_epochs_together"] = reached.accuracy
        for kind, seconds in costs_by_kind.items():
            found = speed_ups(reached, ends, max(seconds.values()), sum(seconds.values()))
            figures |= {f"{name}_teacher_{kind}_{more:g}_epochs_together": value for name, value in found.items()}
    return figures, rows


def speed_ups(tuned: Reached, ends: Sequence[Reached], slowest: float, total: float) -> dict[str, float]:
    """How many times longer training end to end takes to be as accurate, with a machine a part and on one machine.

    Where no training was, the longest gives a bound: it takes `at_least` so many times longer.

    Args:
        tuned: the parts, trained together for a while, and the seconds of that.
        ends: trainings end to end.
        slowest, total: seconds of the slowest part and of all.
    """
    equal = seconds_to_reach(ends, tuned.accuracy)
    bound = "" if equal is not None else "_at_least"
    seconds = equal if equal is not None else max(one.seconds for one in ends)
    return {
        f"parallel_speed_up{bound}": seconds / (slowest + tuned.seconds),
        f"compute_ratio{bound}": seconds / (total + tuned.seconds),
    }


def fresh_students(parts: Split, seed: int) -> dict[str, tf.keras.Model]:
    """Untrained thin blocks for all parts but the stem."""
    tf.keras.utils.set_random_seed(seed)
    return {part.name: residual_student(part, MIDDLE) for part in parts.neighbourhoods if part.name != "stem"}


def seconds_to_reach(trainings: Sequence[Reached], wanted: float) -> float | None:
    """Seconds of the shortest training that is as accurate, between two lengths in proportion; None where none is."""
    ordered = sorted(trainings, key=lambda one: one.seconds)
    before: Reached | None = None
    for one in ordered:
        if one.accuracy >= wanted:
            if before is None:
                return one.seconds
            share = (wanted - before.accuracy) / (one.accuracy - before.accuracy)
            return before.seconds + share * (one.seconds - before.seconds)
        if before is None or one.accuracy > before.accuracy:
            before = one
    return None


def tune(network: tf.keras.Model, teacher: tf.keras.Model, train: Images, epochs: float) -> None:
    """Train end to end from labels and teacher; less than an epoch is one pass over as large a part of the images."""
    if epochs == 0:
        return
    passes = max(1, int(epochs))
    images = train.take(np.arange(int(len(train) * epochs / passes)))
    optimizer = cosine_adam(passes * (len(images) // BATCH))
    settings = {"labels": images.classes, "teacher": teacher, "optimizer": optimizer, "batch_size": BATCH}
    fine_tune(network, images.pixels, passes, **settings)


def statistics_of(network: tf.keras.Model, train: Images) -> None:
    """Have normalisation layers follow real images, without learning: students no longer read what the teacher did."""
    for start in range(0, min(len(train), STATISTICS_BATCHES * BATCH), BATCH):
        network(tf.cast(train.pixels[start : start + BATCH], tf.float32), training=True)


def cosine_adam(steps: int) -> tf.keras.optimizers.Optimizer:
    """Adam with a rate that falls along a cosine to nothing."""
    return tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(RATE, steps))


def copied(network: tf.keras.Model) -> tf.keras.Model:
    """A network of its own with the same weights."""
    copy = tf.keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def _without_images(
    parts: Split, costs: StepCosts, train: Images, test: Images, epochs: int, kind: str
) -> dict[str, Any]:
    """The same students from noise; then statistics of real images in their normalisation layers, without learning."""
    moments = {
        "gaussian": lambda: None,
        "matched": lambda: moments_from_normalisation(parts),
        "measured": lambda: measured_moments(parts, train.pixels[:500]),
    }[kind]()
    students = fresh_students(parts, 0)
    inputs = "gaussian" if moments is None else "matched_gaussian"
    steps = epochs * (len(train) // BATCH)
    distiller = NeighbourhoodDistiller(parts, students, lambda: cosine_adam(steps), inputs=inputs, moments=moments)
    distiller.fit(train.pixels, epochs, BATCH)
    network = parts.compose(students)
    alone = accuracy(network, test)
    statistics_of(network, train)
    row = _row(f"parts from {kind} noise", alone, sum(costs.student.values()) * steps, network)
    return {**row, "with real statistics": accuracy(network, test)}


def _untrained_teacher() -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    return resnet(DEPTH, CLASSES, width=WIDTH, input_shape=(32, 32, 3), name=NAME)


def _row(name: str, reached: float, seconds: float, network: tf.keras.Model) -> dict[str, Any]:
    return {
        "network": name,
        "test accuracy": reached,
        "with real statistics": "",
        "seconds": seconds,
        "million multiply-adds": count_macs(network, (32, 32, 3)) / 1e6,
        "parameters": network.count_params(),
    }


if __name__ == "__main__":
    main()
