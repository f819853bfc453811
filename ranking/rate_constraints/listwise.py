"""Precision at K within each ranking list: a threshold a list, without a multiplier a list."""

from __future__ import annotations

import tensorflow as tf

from ranking.rate_constraints.objectives import RateLoss
from ranking.rate_constraints.subset_quantiles import QuantileEstimator, subset_quantile
from ranking.rate_constraints.surrogates import weighted_mean
from seriatim_errors import TrainingError


def precision_at_k_in_lists(
    scores: tf.Tensor,
    labels: tf.Tensor,
    mask: tf.Tensor,
    k: int,
    estimator: QuantileEstimator = QuantileEstimator("point"),  # noqa: B008 (frozen)
) -> RateLoss:
    """Mean softplus of `b - f` over each list's positives, where b is the list's K-th highest score.

    Args:
        scores: float `[batch, list_size]`, live.
        labels: {0, 1} `[batch, list_size]`.
        mask: bool `[batch, list_size]`, true where an item stands.
        k: >= 1; a list of at most k items has its lowest score for threshold.
        estimator: of the quantile; the point estimator is the K-th score itself.

    Returns:
        Losses `[batch]` (0 for a list without a positive) and thresholds `[batch, 1]`.

    Raises:
        TrainingError: k is below 1; or a list is all padding or holds a NaN score (eagerly; InvalidArgumentError
            inside a `tf.function`).

    Source: arXiv 1803.00067 (precision at K), with the documents of a query for A.
    """
    if k < 1:
        raise TrainingError(f"precision at K: k is {k}; give 1 or more")
    present = tf.cast(mask, scores.dtype)
    sizes = tf.reduce_sum(present, axis=-1)
    # Half an item inside the K-th score's own share, so that rounding cannot pick its neighbour.
    levels = tf.maximum(sizes - k + 0.5, 0.5) / tf.maximum(sizes, 1)
    thresholds = subset_quantile(scores, present, levels, estimator)[..., None]
    losses = weighted_mean(tf.nn.softplus(thresholds - scores), present * tf.cast(labels, scores.dtype))
    return RateLoss(losses, thresholds)
