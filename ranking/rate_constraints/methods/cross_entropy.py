"""Cross-entropy that knows nothing of the constraint; its threshold is chosen afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.rate_constraints.methods.method import Batch
from ranking.rate_constraints.surrogates import weighted_mean


class CrossEntropy:
    """Descends on cross-entropy, plain or with both classes of equal weight.

    The scorer has no final bias, because a rate constraint does not need one; cross-entropy does, and keeps
    it here.
    """

    reset_every = 0
    descends_on_objective = False

    def __init__(self, balanced: bool = False) -> None:
        self.balanced = balanced
        self.offset = tf.Variable(0.0)
        self.variables = [self.offset]
        self.state: list[tf.Variable] = []

    def start(self, thresholds: NDArray[np.float64]) -> None:
        """Thresholds play no part."""

    def loss(self, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Weighted cross-entropy of `scores + offset`."""
        losses = tf.nn.softplus((1 - 2 * batch.labels) * (scores + self.offset))
        if self.balanced:
            high = weighted_mean(losses, batch.weights * batch.labels)
            return high + weighted_mean(losses, batch.weights * (1 - batch.labels))
        return weighted_mean(losses, batch.weights)

    def after_step(self, scores: tf.Tensor, batch: Batch, rescore: Callable[[], tf.Tensor]) -> None:
        """Nothing is kept."""
