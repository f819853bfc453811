"""Training an assembled network end to end for a few epochs: the parts' errors add up, and this takes them back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.distillation.distil import batches_of


def fine_tune(
    model: tf.keras.Model,
    images: NDArray[np.generic],
    epochs: int,
    *,
    labels: NDArray[np.integer] | None = None,
    teacher: tf.keras.Model | None = None,
    temperature: float = 4.0,
    optimizer: tf.keras.optimizers.Optimizer | None = None,
    batch_size: int = 64,
    seed: int = 0,
) -> float:
    """Train by cross-entropy with labels, towards a teacher's softened answers (Hinton et al., 2015), or both.

    Args:
        model: answers with logits; changed in place.
        images: `[rows, height, width, channels]`.
        epochs: passes over them; 0 changes nothing.
        labels: integers `[rows]`.
        teacher: answers with logits; not changed.
        temperature: of both models' softmax where there is a teacher; its term is weighed by the square.
        optimizer: Adam with rate 0.001 where None.
        batch_size: a last incomplete batch is left out.
        seed: of the order.

    Returns:
        The mean loss of the last epoch; not a number for none.

    Raises:
        DataError: there are neither labels nor a teacher, or labels of other rows.
    """
    if labels is None and teacher is None:
        raise DataError("neither labels nor teacher; give one to learn from")
    if labels is not None and len(labels) != len(images):
        raise DataError(f"{len(labels)} labels of {len(images)} images; give one for each")
    if epochs < 1:
        return float("nan")
    step = end_to_end_step(model, optimizer or tf.keras.optimizers.Adam(1e-3), labels is not None, teacher, temperature)
    rng = np.random.default_rng(seed)
    known = np.zeros(len(images), np.int64) if labels is None else labels
    for _ in range(epochs):
        losses = [
            float(step(tf.cast(images[rows], tf.float32), tf.constant(known[rows])))
            for rows in batches_of(rng.permutation(len(images)), batch_size)
        ]
    return float(np.mean(losses))


def end_to_end_step(
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.Optimizer,
    labelled: bool,
    teacher: tf.keras.Model | None,
    temperature: float = 4.0,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """One step of `fine_tune`: pixels float32 `[batch, height, width, channels]` and integers `[batch]` to the loss.

    Args:
        model: answers with logits; changed in place.
        optimizer: of its trainable variables.
        labelled: whether cross-entropy with the integers counts.
        teacher: answers with logits; None for none.
        temperature: of both models' softmax.
    """
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(pixels: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.cast(model(pixels, training=True), tf.float32)
            loss = tf.constant(0.0)
            if labelled:
                loss += tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits))
            if teacher is not None:
                target = tf.nn.softmax(tf.cast(teacher(pixels, training=False), tf.float32) / temperature)
                soft = tf.nn.softmax_cross_entropy_with_logits(tf.stop_gradient(target), logits / temperature)
                loss += temperature**2 * tf.reduce_mean(soft)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step
