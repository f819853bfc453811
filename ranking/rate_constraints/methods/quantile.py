"""The quantile method: the threshold is a function of the scores, and so is its gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.rate_constraints.methods.method import Batch
from ranking.rate_constraints.objectives import KERNEL, Objective, rate_loss
from ranking.rate_constraints.score_queue import ScoreQueue
from ranking.rate_constraints.subset_quantiles import QuantileEstimator


class Quantile:
    """Descends on the objective at the batch's own thresholds (arXiv 1803.00067; US patent 11,429,894).

    Args:
        objective: what is pinned and what is lost.
        estimator: of the quantiles.
        queue_length: recent scores that join the batch's own in the quantile; 0 for the batch alone.
    """

    reset_every = 0
    descends_on_objective = True

    def __init__(self, objective: Objective, estimator: QuantileEstimator = KERNEL, queue_length: int = 0) -> None:
        self.objective, self.estimator = objective, estimator
        self.queue = ScoreQueue(objective, queue_length) if queue_length else None
        self.variables: list[tf.Variable] = []
        self.state = [self.queue.scores, self.queue.weights] if self.queue is not None else []

    def start(self, thresholds: NDArray[np.float64]) -> None:
        """Nothing is kept that exact thresholds would mend."""

    def loss(self, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The objective's loss, with gradients through the threshold."""
        if self.queue is None:
            return rate_loss(self.objective, scores, *batch, estimator=self.estimator).loss
        thresholds = self.queue.thresholds(scores, *batch, estimator=self.estimator)
        return self.objective.loss_at(scores, batch.labels, batch.weights, thresholds, batch.groups)

    def after_step(self, scores: tf.Tensor, batch: Batch, rescore: Callable[[], tf.Tensor]) -> None:
        """Remember the batch's scores, where a queue is kept."""
        if self.queue is not None:
            self.queue.push(scores, *batch)
