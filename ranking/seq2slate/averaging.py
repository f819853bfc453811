"""A moving average of the weights: what is evaluated and kept instead of the last step's noisy ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


class WeightAverage:
    """An exponential moving average of a model's weights.

    The average begins with the mean of few steps and lengthens: at step t its decay is
    `min(decay, (1 + t) / (10 + t))`.

    Args:
        model: whose weights are averaged; it is built.
        decay: in [0, 1); 0: the average is the weights themselves.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """

    def __init__(self, model: tf.keras.Model, decay: float) -> None:
        self._model, self._decay = model, decay
        self._steps = tf.Variable(0.0, trainable=False)
        self._averages = [tf.Variable(weight, trainable=False) for weight in model.trainable_variables]

    def update(self) -> None:
        """Take the present weights in; part of the compiled training step."""
        self._steps.assign_add(1.0)
        decay = tf.minimum(self._decay, (1.0 + self._steps) / (10.0 + self._steps))
        for average, weight in zip(self._averages, self._model.trainable_variables, strict=True):
            average.assign(weight + tf.cast(decay, weight.dtype) * (average - weight))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While it lasts, the model has the averages as its weights."""
        present = [weight.numpy() for weight in self._model.trainable_variables]
        try:
            for weight, average in zip(self._model.trainable_variables, self._averages, strict=True):
                weight.assign(average)
            yield
        finally:
            for weight, value in zip(self._model.trainable_variables, present, strict=True):
                weight.assign(value)
