"""How much a list counts in the mean of a metric over lists when its items have weights."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.discounted_gain import gain_of
from ranking.metrics.ranked import counted

Relevance = Literal["binary", "exponential", "linear"]


def list_weights(
    labels: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None, relevance: Relevance = "binary"
) -> NDArray[np.float64]:
    """A list's weight: the mean of its items' weights, each counted as often as the item is relevant.

    `sum_i w_i r_i / sum_i r_i`. A list without a relevant item gets the mean weight of the lists that have one
    (1 where none has), a list whose items all weigh 0 gets 0. Multiply a metric's values by these weights, as
    `bootstrap_interval` does, for the mean that TF-Ranking reports.

    >>> list_weights([[1.0, 0.0], [1.0, 1.0]], weights=[[2.0, 7.0], [1.0, 3.0]])
    array([2., 2.])

    Args:
        labels: float `[..., list_size]`, >= 0; 0 at padding.
        weights: float `[..., list_size]`, or a shape that broadcasts to it, >= 0.
        mask: bool `[..., list_size]`; None: everything counts.
        relevance: what r is: `binary`, 1 where the label is positive, for every metric but (N)DCG; the gain of
            (N)DCG, `exponential` or `linear`, for those.

    Returns:
        float64 `[...]`, >= 0.

    Raises:
        DataError: a label or weight is not finite or negative.
    """
    given = np.where(True if mask is None else np.asarray(mask, bool), np.asarray(weights, np.float64), 0.0)
    items = counted(labels, given, mask)
    relevant = relevance_of(items.labels, relevance)
    # `counted` divides by a list's largest weight; here the scale is the point.
    largest = np.broadcast_to(given, relevant.shape).max(axis=-1, initial=0.0)
    return weights_of_sums(largest * (items.weights * relevant).sum(axis=-1), relevant.sum(axis=-1), largest > 0)


def relevance_of(labels: NDArray[np.float64], relevance: Relevance) -> NDArray[np.float64]:
    """How relevant each item is, in the labels' shape.

    Raises:
        DataError: a label is so high that its exponential gain overflows.
    """
    return (labels > 0).astype(np.float64) if relevance == "binary" else gain_of(labels, relevance)


def weights_of_sums(
    weighted: NDArray[np.float64], relevance: NDArray[np.float64], has_weight: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """`list_weights` from each list's sums of `w r` and of `r`, and whether any item of it has weight."""
    defined = relevance > 0
    own = weighted / np.where(defined, relevance, 1.0)
    usual = own[defined].mean() if defined.any() else 1.0
    return np.where(defined, own, np.where(has_weight, usual, 0.0))
