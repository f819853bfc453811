"""Pass rates of the constrained subsets at given thresholds: the true ones, and smooth ones with gradients."""

from __future__ import annotations

import tensorflow as tf

from ranking.rate_constraints.methods.method import Batch
from ranking.rate_constraints.objectives import Objective, weighted_mean


def pass_rates(objective: Objective, scores: tf.Tensor, batch: Batch, thresholds: tf.Tensor) -> tf.Tensor:
    """Weight share of each subset with a score >= its threshold, float32 `[thresholds]`."""
    passed = tf.cast(scores[None, :] >= thresholds[:, None], scores.dtype)
    return weighted_mean(passed, _subset_weights(objective, batch))


def smooth_rates(
    objective: Objective, scores: tf.Tensor, batch: Batch, thresholds: tf.Tensor, sharpness: float = 1.0
) -> tf.Tensor:
    """The same with `sigmoid(sharpness (f - b))` for the step, float32 `[thresholds]`."""
    return weighted_mean(
        tf.sigmoid(sharpness * (scores[None, :] - thresholds[:, None])), _subset_weights(objective, batch)
    )


def _subset_weights(objective: Objective, batch: Batch) -> tf.Tensor:
    weights = objective.subsets(batch.labels, batch.groups) * batch.weights
    return tf.broadcast_to(weights, [len(objective.rates), tf.shape(batch.weights)[0]])
