"""A queue of recent scores, for batches too small to hold a quantile of their own."""

from __future__ import annotations

import tensorflow as tf

from ranking.rate_constraints.objectives import KERNEL, Objective
from ranking.rate_constraints.subset_quantiles import QuantileEstimator, quantile_shares, subset_quantile

# Under this share of the estimator's weight on live scores, rescaling their gradient would only amplify noise.
LEAST_LIVE_SHARE = 0.01


class ScoreQueue(tf.Module):
    """The last `length` examples' scores, detached; together with live ones they set the thresholds.

    Args:
        objective: whose subsets the quantiles are over.
        length: examples kept, >= 1; at first none of them has weight.
    """

    def __init__(self, objective: Objective, length: int) -> None:
        super().__init__()
        self.objective, self.length = objective, length
        self.scores = tf.Variable(tf.zeros(length), trainable=False)
        self.weights = tf.Variable(tf.zeros([len(objective.rates), length]), trainable=False)

    def thresholds(
        self,
        scores: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        groups: tf.Tensor | None = None,
        estimator: QuantileEstimator = KERNEL,
    ) -> tf.Tensor:
        """Quantiles over queue and batch, float32 `[thresholds]`.

        In value those of the merged scores. In gradient those of the live scores among them, rescaled to
        weight one so that a common shift of all scores still shifts the thresholds as much; where hardly
        any live score lies near a quantile, the batch's own quantile lends its gradient.

        Raises:
            TrainingError: the batch has no element of a subset (eagerly; InvalidArgumentError in a graph).
        """
        own = self._subset_weights(labels, weights, groups)
        levels = tf.constant([1 - rate for rate in self.objective.rates], tf.float32)
        alone = subset_quantile(scores[None, :], own, levels, estimator)
        both = tf.concat([self.weights, own], axis=1)
        merged = tf.concat([self.scores, tf.stop_gradient(scores)], axis=0)
        shares = quantile_shares(merged[None, :], both, levels, estimator)
        value = tf.reduce_sum(shares * merged, axis=1)
        live = shares[:, self.length :]
        live_share = tf.reduce_sum(live, axis=1)
        enough = live_share > LEAST_LIVE_SHARE
        through_merged = tf.linalg.matvec(live, scores) / tf.where(enough, live_share, tf.ones_like(live_share))
        through = tf.where(enough, through_merged, alone)
        return value + through - tf.stop_gradient(through)

    def push(self, scores: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, groups: tf.Tensor | None = None) -> None:
        """Append a batch's scores; the oldest leave."""
        joined = tf.concat([self.scores, tf.stop_gradient(scores)], axis=0)
        self.scores.assign(joined[-self.length :])
        own = self._subset_weights(labels, weights, groups)
        self.weights.assign(tf.concat([self.weights, own], axis=1)[:, -self.length :])

    def _subset_weights(self, labels: tf.Tensor, weights: tf.Tensor, groups: tf.Tensor | None) -> tf.Tensor:
        subsets = self.objective.subsets(labels, groups) * weights
        return tf.broadcast_to(subsets, [len(self.objective.rates), tf.shape(weights)[0]])
