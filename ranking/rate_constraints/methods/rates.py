"""Pass rates of the constrained subsets at given thresholds: the true ones, and smooth ones with gradients."""

from __future__ import annotations

import tensorflow as tf

from ranking.rate_constraints.methods.method import Batch
from ranking.rate_constraints.objectives import Objective
from ranking.rate_constraints.surrogates import LEAST_SPREAD, spread, weighted_mean


def pass_rates(objective: Objective, scores: tf.Tensor, batch: Batch, thresholds: tf.Tensor) -> tf.Tensor:
    """Weight share of each subset with a score >= its threshold, float32 `[thresholds]`."""
    passed = tf.cast(scores[None, :] >= thresholds[:, None], scores.dtype)
    return weighted_mean(passed, _subset_weights(objective, batch))


def smooth_rates(
    objective: Objective, scores: tf.Tensor, batch: Batch, thresholds: tf.Tensor, sharpness: tf.Tensor
) -> tf.Tensor:
    """The same with `sigmoid(sharpness (f - b))` for the step, float32 `[thresholds]`; sharpness from `in_spreads`."""
    return weighted_mean(
        tf.sigmoid(sharpness * (scores[None, :] - thresholds[:, None])), _subset_weights(objective, batch)
    )


def in_spreads(sharpness: float, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
    """`sharpness` a spread of the batch's scores, a constant, so that their scale does not matter; a scalar."""
    return tf.stop_gradient(sharpness / (spread(scores, batch.weights) + LEAST_SPREAD))


def _subset_weights(objective: Objective, batch: Batch) -> tf.Tensor:
    weights = objective.subsets(batch.labels, batch.groups) * batch.weights
    return tf.broadcast_to(weights, [len(objective.rates), tf.shape(batch.weights)[0]])
