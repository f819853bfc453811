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

    Raises:
        TrainingError: there is no score.
    """
    _refuse_empty(count)
    _refuse_outside("level", level, 0, 1)
    weights = np.zeros(count)
    weights[max(math.ceil(level * count - RATE_ROUNDING), 1) - 1] = 1.0
    return weights


def interval_weights(count: int, level: float, bandwidth: float) -> NDArray[np.float64]:
    """Uniform weights on all k with `|(k - 1/2) / n - level| <= bandwidth`, or the point estimator's."""
    _refuse_empty(count)
    _refuse_outside("level", level, 0, 1)
    _refuse_outside("bandwidth", bandwidth, -math.inf, math.inf)
    inside = np.abs((np.arange(1, count + 1) - 0.5) / count - level) <= bandwidth
    return inside / inside.sum() if inside.any() else point_weights(count, level)


def kernel_weights(count: int, level: float, bandwidth: float) -> NDArray[np.float64]:
    """Normal-kernel weights `G((k/n - p)/h) - G(((k-1)/n - p)/h)`, renormalised to sum 1.

    Without renormalisation mass that leaves [0, 1] biases the quantile.
    """
    _refuse_empty(count)
    _refuse_outside("level", level, 0, 1)
    _refuse_outside("bandwidth", bandwidth, -math.inf, math.inf)
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


def exact_threshold(scores: NDArray[np.floating], rate: float, weights: NDArray[np.floating] | None = None) -> float:
    """The largest score at which, used as a threshold, at least `rate` of the scores pass (`>=`).

    The order statistic `k = n - ceil(rate * n) + 1`: the smallest pass share that is not below the rate.
    With weights the shares are of weight, as if each score stood there `weight` times.

    Args:
        scores: float `[count]` of the constrained subset, finite.
        rate: c in (0, 1].
        weights: float `[count]`, >= 0, or None for weight one; scores without weight do not count.

    Raises:
        TrainingError: there is no score (with weight), a score or weight is not finite, a weight is negative, the
            lengths differ, or the rate is out of range.
    """
    values = np.asarray(scores)
    if not 0 < rate <= 1:
        raise TrainingError(f"rate constraint: the rate is {rate}; give a share above 0 and at most 1")
    if not np.isfinite(values).all():
        raise TrainingError("rate constraint: a score is not finite, so there is no quantile; lower the learning rate")
    if weights is not None:
        _check_weights(values, weights)
        present = np.asarray(weights) > 0
        values, weights = values[present], np.asarray(weights, np.float64)[present]
    _refuse_empty(len(values))
    if weights is None:
        k = len(values) - math.ceil(rate * len(values) - RATE_ROUNDING) + 1
        return float(np.sort(values)[min(k, len(values)) - 1])
    descending = np.argsort(-values, kind="stable")
    passed = np.cumsum(weights[descending])
    enough = int(np.searchsorted(passed, rate * passed[-1] - RATE_ROUNDING * passed[-1] / len(values)))
    return float(values[descending][enough])


def realised_rate(scores: NDArray[np.floating], threshold: float, weights: NDArray[np.floating] | None = None) -> float:
    """Share of the scores (of their weight, if given) that pass (`>=`) the threshold; nan for none.

    Raises:
        TrainingError: a score is NaN, or weights are not as `exact_threshold` wants them.
    """
    if np.isnan(scores).any():
        raise TrainingError("rate constraint: a score is NaN, so it neither passes nor fails; lower the learning rate")
    if weights is not None:
        _check_weights(np.asarray(scores), weights)
    passed = np.asarray(scores) >= threshold
    if weights is None:
        return float(np.mean(passed)) if len(passed) else math.nan
    weights = np.asarray(weights, np.float64)
    total = weights.sum()
    return float(weights[passed].sum() / total) if total > 0 else math.nan


def _refuse_empty(count: int) -> None:
    if count == 0:
        raise TrainingError("rate constraint: the constrained subset is empty, so it has no quantile; add examples")


def _refuse_outside(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise TrainingError(f"rate constraint: the {name} is {value}; give a number in [{low:g}, {high:g}]")


def _check_weights(scores: NDArray[np.floating], weights: NDArray[np.floating]) -> None:
    given = np.asarray(weights)
    if given.shape != scores.shape:
        raise TrainingError(f"rate constraint: weights of shape {given.shape} for {len(scores)} scores; give one each")
    fine = np.isfinite(given) & (given >= 0)
    if not fine.all():
        row = int(np.argmin(fine))
        raise TrainingError(f"rate constraint: weight {row} is {given[row]}; give finite weights of at least 0")
