"""Quantiles of a weighted subset of a batch of live scores, in one sort and with gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from seriatim_errors import TrainingError

EMPTY_SUBSET = "rate constraint: a batch has no element of the constrained subset; use stratified or larger batches"
NOT_A_NUMBER = "rate constraint: a score or a level is NaN, so there is no quantile; lower the learning rate"
# Cumulative shares are sums of float32: a share this close under a level counts as having reached it.
SHARE_ROUNDING = 1e-6


@dataclass(frozen=True)
class QuantileEstimator:
    """Which order statistics a quantile is averaged over.

    Attributes:
        kind: `point` (one of them), `interval` (uniform within the bandwidth; at the window's ends by the
            part of an example's share that lies inside, so that weights act as replication does) or
            `kernel` (normal weights around the level).
        bandwidth: h as a share of `min(p, 1 - p)`. An interval of at most 1 stays inside [0, 1]; a wide window
            biases the threshold that training sees, but learns from more examples, which measures better.
    """

    kind: Literal["point", "interval", "kernel"] = "kernel"
    bandwidth: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("point", "interval", "kernel"):
            raise TrainingError(f"estimator kind is {self.kind!r}; use 'point', 'interval' or 'kernel'")
        if not self.bandwidth > 0:
            raise TrainingError(f"estimator bandwidth is {self.bandwidth}; give a number above 0")

    def weights(self, ends: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
        """L-estimator weights over ascending scores.

        Args:
            ends: cumulative weight shares `[..., items]` of the ascending scores, ending at 1.
            levels: p in [0, 1], `[..., 1]`, broadcast against `ends`.

        Returns:
            `[..., items]`, >= 0 with sum 1; zero where a score has no weight.
        """
        starts = tf.concat([tf.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
        reached = tf.logical_and(ends >= levels - SHARE_ROUNDING, ends > 0)
        point = tf.cast(tf.logical_and(reached, tf.cumsum(tf.cast(reached, tf.int32), axis=-1) == 1), ends.dtype)
        if self.kind == "point":
            return point
        bandwidth = self.bandwidth * tf.maximum(tf.minimum(levels, 1 - levels), SHARE_ROUNDING)
        if self.kind == "interval":
            low, high = tf.maximum(starts, levels - bandwidth), tf.minimum(ends, levels + bandwidth)
            raw = tf.maximum(high - low, tf.zeros_like(ends))
        else:
            raw = _normal_share((ends - levels) / bandwidth) - _normal_share((starts - levels) / bandwidth)
        total = tf.reduce_sum(raw, axis=-1, keepdims=True)
        return tf.where(total > 0, raw / tf.where(total > 0, total, tf.ones_like(total)), point)


def subset_quantile(
    scores: tf.Tensor, subset_weights: tf.Tensor, levels: tf.Tensor, estimator: QuantileEstimator
) -> tf.Tensor:
    """The estimated quantile of the scores that have weight; its gradient flows to the scores.

    Only the order and the estimator's weights are constants. Leading axes are independent problems
    (labels, groups or lists), each with its own weights.

    Args:
        scores: float `[..., items]`, live, in any order.
        subset_weights: `[..., items]`, >= 0, zero outside the constrained subset.
        levels: p in [0, 1], `[...]`, one a problem.

    Returns:
        `[...]`, in the scores' type.

    Raises:
        TrainingError: a problem has no weight, a score with weight or a level is NaN (eagerly; inside a `tf.function`,
            InvalidArgumentError with the same message).

    Source: arXiv 1803.00067, L-estimators of the quantile.
    """
    shares = quantile_shares(scores, subset_weights, levels, estimator)
    # A score outside the subset may be anything, infinity too: it must not turn 0 * inf into nan.
    counted = tf.where(shares > 0, tf.cast(scores, shares.dtype), tf.zeros_like(shares))
    return tf.cast(tf.reduce_sum(shares * counted, axis=-1), scores.dtype)


def quantile_shares(
    scores: tf.Tensor, subset_weights: tf.Tensor, levels: tf.Tensor, estimator: QuantileEstimator
) -> tf.Tensor:
    """Each score's share in `subset_quantile`, which is its derivative: `[..., items]`, >= 0 with sum 1, constant.

    Arguments and errors are those of `subset_quantile`; half precision is worked out in float32.
    """
    exact = tf.float32 if scores.dtype.size < 4 else scores.dtype
    weights = tf.cast(subset_weights, exact)
    shape = tf.broadcast_dynamic_shape(tf.shape(scores), tf.shape(weights))
    fixed, weights = tf.broadcast_to(tf.stop_gradient(scores), shape), tf.broadcast_to(weights, shape)
    order = tf.argsort(fixed, axis=-1, stable=True)
    cumulative = tf.cumsum(tf.gather(weights, order, batch_dims=order.shape.rank - 1), axis=-1)
    total = cumulative[..., -1:]
    undefined = tf.reduce_any(tf.math.is_nan(fixed) & (weights > 0)) | tf.reduce_any(tf.math.is_nan(levels))
    with tf.control_dependencies(
        [_require(tf.reduce_all(total > 0), EMPTY_SUBSET), _require(~undefined, NOT_A_NUMBER)]
    ):
        ends = cumulative / total
    ascending = estimator.weights(ends, tf.cast(levels, exact)[..., None])
    order = tf.broadcast_to(order, tf.broadcast_dynamic_shape(tf.shape(order), tf.shape(ascending)))
    return tf.stop_gradient(_scattered(ascending, order))


def _scattered(ascending: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Values back at the places that `order` took them from, along the last axis."""
    items = tf.shape(order)[-1]
    rows = tf.reshape(order, [-1, items])
    flat = tf.reshape(rows + items * tf.range(tf.shape(rows)[0])[:, None], [-1])
    return tf.reshape(tf.gather(tf.reshape(ascending, [-1]), tf.math.invert_permutation(flat)), tf.shape(order))


def _normal_share(deviate: tf.Tensor) -> tf.Tensor:
    return 0.5 * (1 + tf.math.erf(deviate / math.sqrt(2)))


def _require(holds: tf.Tensor, message: str) -> tf.Operation:
    if tf.executing_eagerly():
        if not bool(holds):
            raise TrainingError(message)
        return tf.no_op()
    return tf.debugging.Assert(holds, [message])
