"""Quantiles of scores: L-estimators that carry gradients, and the exact order statistic for the end."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.stats import norm

from seriatim_errors import TrainingError

# Keeps c * n from being rounded up: 0.1 * 30 is 3.0000000000000004.
RATE_ROUNDING = 1e-9


def point_weights(count: int, level: float) -> NDArray[np.float64]:
    """Weights of the point estimator: all on the order statistic `k = ceil(level * count)`.

    Args:
        count: n >= 1, number of scores.
        level: p in [0, 1], the quantile's level.

    Returns:
        float64 `[count]`, over ascending scores; >= 0 with sum 1.
    """
    weights = np.zeros(count)
    weights[min(max(math.ceil(level * count - RATE_ROUNDING), 1), count) - 1] = 1.0
    return weights


def interval_weights(count: int, level: float, bandwidth: float) -> NDArray[np.float64]:
    """Uniform weights on all k with `|(k - 1/2) / n - level| <= bandwidth`, or the point estimator's."""
    inside = np.abs((np.arange(1, count + 1) - 0.5) / count - level) <= bandwidth
    return inside / inside.sum() if inside.any() else point_weights(count, level)


def kernel_weights(count: int, level: float, bandwidth: float) -> NDArray[np.float64]:
    """Normal-kernel weights `G((k/n - p)/h) - G(((k-1)/n - p)/h)`, renormalised to sum 1.

    Without renormalisation mass that leaves [0, 1] biases the quantile.
    """
    if bandwidth <= 0:
        return point_weights(count, level)
    edges = norm.cdf((np.arange(count + 1) / count - level) / bandwidth)
    weights = np.diff(edges)
    total = weights.sum()
    return weights / total if total > 0 else point_weights(count, level)


def quantile(scores: tf.Tensor, weights: NDArray[np.float64] | tf.Tensor) -> tf.Tensor:
    """The L-estimate `sum_k w_k f_(k)`; its gradient flows to the scores, which is what makes training work.

    Args:
        scores: float `[count]`, live, in any order.
        weights: `[count]`, over ascending scores.
    """
    ascending = tf.gather(scores, tf.stop_gradient(tf.argsort(scores, stable=True)))
    return tf.reduce_sum(ascending * tf.stop_gradient(tf.cast(weights, scores.dtype)))


def exact_threshold(scores: NDArray[np.floating], rate: float) -> float:
    """The largest threshold at which at least `rate` of the scores are >= it.

    The order statistic `k = n - ceil(rate * n) + 1`: the smallest pass share that is not below the rate.

    Args:
        scores: float `[count]` of the constrained subset.
        rate: c in (0, 1].

    Raises:
        TrainingError: there is no score.
    """
    count = len(scores)
    if count == 0:
        raise TrainingError("rate constraint: the constrained subset is empty, so it has no quantile; add examples")
    k = count - math.ceil(rate * count - RATE_ROUNDING) + 1
    return float(np.sort(scores)[min(max(k, 1), count) - 1])


def realised_rate(scores: NDArray[np.floating], threshold: float) -> float:
    """Share of the scores that pass (`>=`) the threshold; nan for none."""
    return float(np.mean(np.asarray(scores) >= threshold)) if len(scores) else math.nan
