"""How long steps of several kinds take, in turns, so that what else the machine does touches all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from benchmarks.cifar10 import Images
from benchmarks.image_training import BATCH, cross_entropy

TURNS, STEPS = 8, 12


def step_seconds(
    steps: Mapping[str, Callable[[], object]], turns: int = TURNS, repeats: int = STEPS
) -> dict[str, float]:
    """Median seconds of one step of each kind; the first turn, in which graphs are built, does not count."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(turns + 1):
        for name, step in steps.items():
            begun = time.perf_counter()
            for _ in range(repeats):
                step()
            taken[name].append((time.perf_counter() - begun) / repeats)
    return {name: float(np.median(seconds[1:])) for name, seconds in taken.items()}


def step_time_ratio(model: tf.keras.Model, other: tf.keras.Model, data: Images) -> float:
    """Median seconds of a training step of `model` over those of a step of `other`, both on the same batches."""
    pixels = tf.cast(data.pixels[:BATCH], tf.float32)
    classes = tf.constant(data.classes[:BATCH])
    steps = {name: _step(one, pixels, classes) for name, one in (("model", model), ("other", other))}
    seconds = step_seconds(steps)
    return seconds["model"] / seconds["other"]


def _step(model: tf.keras.Model, pixels: tf.Tensor, classes: tf.Tensor) -> Callable[[], None]:
    optimizer = tf.keras.optimizers.SGD(0.01, 0.9)
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = cross_entropy(pixels, classes, model(pixels, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step
