"""Losses whose threshold is a quantile of the scores on the constrained subset."""

from __future__ import annotations

import tensorflow as tf

from ranking.rate_constraints.quantiles import quantile


def precision_at_recall(
    positive_scores: tf.Tensor, negative_scores: tf.Tensor, quantile_weights: tf.Tensor
) -> tf.Tensor:
    """Mean softplus of `f - b` over the negatives, where b is the quantile of the positives' scores.

    With recall pinned by the threshold the number of true positives is fixed, so that maximising precision
    is minimising false positives, which this bounds from above (up to ln 2 a negative).

    Args:
        positive_scores: float `[positives]`, at least one.
        negative_scores: float `[negatives]`.
        quantile_weights: `[positives]`, from one of the estimators at level `1 - recall`.
    """
    threshold = quantile(positive_scores, quantile_weights)
    return tf.reduce_mean(tf.nn.softplus(negative_scores - threshold))
