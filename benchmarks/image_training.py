"""How the image benchmarks train: shifted and mirrored images, stochastic gradient descent, one cycle of its rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.cifar10 import Images
from vision_components.backbones.augmentation import shifted

BATCH, PEAK_RATE, WEIGHT_DECAY, SHIFT = 128, 0.15, 1e-3, 4
WARM_UP = 0.2
# Longest gradient of a hash pool: one variable stands for many weights, and steps as long as the sum of their
# gradients threw some networks off for good while the rate was near its peak.
POOL_NORM = 1.0
# Products in bfloat16 with sums and variables in float32: half as long again as fast where the processor has them.
PRECISION = ("--precision", {"choices": ("float32", "mixed_bfloat16"), "default": "float32", "help": "of training"})
Loss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
MakeOptimizer = Callable[[tf.keras.optimizers.schedules.LearningRateSchedule], tf.keras.optimizers.Optimizer]


def trained(
    model: tf.keras.Model,
    data: Images,
    epochs: int,
    seed: int,
    sides: tuple[int, ...] = (),
    loss: Loss | None = None,
    peak_rate: float = PEAK_RATE,
    optimizer: MakeOptimizer | None = None,
    pool_rate: float = 1.0,
) -> float:
    """Train a model that answers with logits; returns the seconds that the steps took.

    Args:
        model: reads pixels of 0 to 255.
        data: what to train on.
        epochs: passes over it.
        seed: of shuffling, shifting and mirroring.
        sides: batches are resized to these in turn; empty for as they are.
        loss: of images, classes and logits; cross-entropy where None.
        peak_rate: highest learning rate.
        optimizer: makes one of the rate's schedule; stochastic gradient descent with momentum where None.
        pool_rate: how many times faster than others the variables of a hash pool learn, once their gradient is cut
            to `POOL_NORM`.
    """
    steps = epochs * (len(data) // BATCH)
    learner = (optimizer or momentum)(one_cycle(steps, peak_rate))
    measure = loss or cross_entropy
    learner.build(model.trainable_variables)
    pooled = [place for place, variable in enumerate(model.trainable_variables) if _is_pooled(variable)]

    @tf.function(reduce_retracing=True)
    def step(images: tf.Tensor, classes: tf.Tensor) -> None:
        images = tf.cast(images, tf.float32)
        with tf.GradientTape() as tape:
            value = measure(images, classes, model(images, training=True))
        variables = model.trainable_variables
        gradients = tape.gradient(value, variables)
        # Of a pool that is gathered from it comes as slices, which overlap.
        whole = [tf.convert_to_tensor(gradients[place]) for place in pooled]
        shortened, _ = tf.clip_by_global_norm(whole, POOL_NORM)
        for place, gradient in zip(pooled, shortened, strict=True):
            gradients[place] = pool_rate * gradient
        learner.apply_gradients(zip(gradients, variables, strict=True))

    begun = time.perf_counter()
    for place, (images, classes) in enumerate(batches(data, epochs, seed)):
        pixels = tf.constant(images)
        if sides:
            side = sides[place % len(sides)]
            pixels = tf.image.resize(pixels, (side, side), antialias=True)
        step(pixels, tf.constant(classes))
    return time.perf_counter() - begun


def _is_pooled(variable: tf.Variable) -> bool:
    return variable.name.split(":")[0].split("/")[-1] in ("u", "v", "pool")


def momentum(rate: tf.keras.optimizers.schedules.LearningRateSchedule) -> tf.keras.optimizers.Optimizer:
    """Stochastic gradient descent with Nesterov's momentum, and decay of kernels."""
    optimizer = tf.keras.optimizers.SGD(rate, 0.9, nesterov=True, weight_decay=WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias", "scale"])
    return optimizer


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Networks that are built within compute in this precision; their variables stay float32."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def epoch_seconds(build: Callable[[], tf.keras.Model], train: Images, steps: tuple[int, int] = (3, 11)) -> float:
    """Seconds of a pass over the images: from the difference of two trainings, so that building the graph falls out."""
    few, more = (trained(build(), train.take(np.arange(count * BATCH)), 1, 0) for count in steps)
    return (more - few) / (steps[1] - steps[0]) * (len(train) / BATCH)


def one_cycle(steps: int, peak: float) -> Callable[[], tf.Tensor]:
    """A rate that rises linearly over the first fifth of the steps and falls along a cosine to nothing."""

    class OneCycle(tf.keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: tf.Tensor) -> tf.Tensor:
            share = tf.cast(step, tf.float32) / max(steps, 1)
            falling = 0.5 * (1 + tf.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))
            return peak * tf.where(share < WARM_UP, share / WARM_UP + 1e-3, falling)

        def get_config(self) -> dict[str, float]:
            return {"steps": steps, "peak": peak}

    return OneCycle()


def batches(data: Images, epochs: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Batches of images, each image mirrored half the time and shifted by up to four pixels."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(data))
        for start in range(0, len(data) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            yield shifted(data.pixels[rows], SHIFT, rng, mirror=True), data.classes[rows]


def cross_entropy(images: tf.Tensor, classes: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean cross-entropy of the logits."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, tf.cast(logits, tf.float32)))


def predicted(model: tf.keras.Model, pixels: NDArray[np.uint8], side: int | None = None) -> NDArray[np.float32]:
    """Probabilities `[rows, classes]` of a model's logits, images resized to `side` where given."""
    answers = []
    run = tf.function(
        lambda images: tf.nn.softmax(tf.cast(model(images, training=False), tf.float32)), reduce_retracing=True
    )
    for start in range(0, len(pixels), 500):
        images = tf.cast(pixels[start : start + 500], tf.float32)
        answers.append(run(images if side is None else tf.image.resize(images, (side, side), antialias=True)))
    return np.concatenate([answer.numpy() for answer in answers])


def accuracy(model: tf.keras.Model, data: Images) -> float:
    """Share of the images that a model's largest logit names rightly."""
    return float((predicted(model, data.pixels).argmax(axis=1) == data.classes).mean())
