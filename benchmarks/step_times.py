"""How long a training step of one network takes beside one of another, in turns within one run."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks.cifar10 import Images
from benchmarks.image_training import BATCH, cross_entropy

TURNS, STEPS = 8, 12


def step_time_ratio(model: tf.keras.Model, other: tf.keras.Model, data: Images) -> float:
    """Median seconds of a step of `model` over those of a step of `other`, both on the same batches."""
    pixels = tf.cast(data.pixels[:BATCH], tf.float32)
    classes = tf.constant(data.classes[:BATCH])
    steps = [_step(one) for one in (model, other)]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS + 1):
        for step, taken in zip(steps, seconds, strict=True):
            begun = time.perf_counter()
            for _ in range(STEPS):
                step(pixels, classes)
            taken.append(time.perf_counter() - begun)
    # The first turn builds the graphs.
    first, second = (float(np.median(taken[1:])) for taken in seconds)
    return first / second


def _step(model: tf.keras.Model) -> Callable[[tf.Tensor, tf.Tensor], None]:
    optimizer = tf.keras.optimizers.SGD(0.01, 0.9)
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step(pixels: tf.Tensor, classes: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = cross_entropy(pixels, classes, model(pixels, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step
