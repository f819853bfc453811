"""Metrics that count relevant items: precision, recall and hit at a rank, and average precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import counted, defined_where_relevant, head


def average_precision(
    labels: ArrayLike, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """The mean, over relevant items, of the precision at each one's rank; its mean over lists is MAP.

    >>> average_precision([1.0, 0.0, 1.0]).round(4)
    0.8333

    With weights the mean is weighted and the precisions themselves are not: TF-Ranking's definition.

    Args:
        labels: float `[..., list_size]` in rank order; relevant where positive; 0 at padding.
        weights: float `[..., list_size]`, >= 0; an item of weight 0 holds no rank. None: all equal.
        mask: bool `[..., list_size]`, false for items that hold no rank. None: all do.

    Returns:
        float64 `[...]` in (0, 1]; nan where no item is relevant.

    Raises:
        DataError: a label or weight is not finite or negative.
    """
    items = counted(labels, weights, mask)
    relevant = items.labels > 0
    precision = relevant.cumsum(axis=-1) / np.arange(1, relevant.shape[-1] + 1)
    shares = np.where(relevant, items.weights, 0.0)
    total = shares.sum(axis=-1)
    return defined_where_relevant((shares * precision).sum(axis=-1) / np.where(total > 0, total, 1.0), items.labels)


def precision_at(
    labels: ArrayLike, cutoff: int, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """The share of the first `cutoff` ranks that relevant items hold.

    Ranks past the end of a shorter list count as not relevant, so that lists of different sizes compare.

    Args:
        labels: float `[..., list_size]` in rank order; relevant where positive; 0 at padding.
        cutoff: >= 1.
        weights: float `[..., list_size]`, >= 0; an item of weight 0 holds no rank. Otherwise weights leave this
            value alone, as in TF-Ranking, and count in the mean over lists (`list_weights`).
        mask: bool `[..., list_size]`, false for items that hold no rank. None: all do.

    Returns:
        float64 `[...]` in [0, 1]; nan where no item of the list is relevant.

    Raises:
        DataError: a label or weight is not finite or negative.
        ValueError: `cutoff` is below 1.
    """
    values = counted(labels, weights, mask).labels
    return defined_where_relevant((head(values, cutoff) > 0).sum(axis=-1) / cutoff, values)


def recall_at(
    labels: ArrayLike, cutoff: int, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """The share of the relevant items that stand within the first `cutoff` ranks.

    Args, result and raises as in `precision_at`.
    """
    values = counted(labels, weights, mask).labels
    found = (head(values, cutoff) > 0).sum(axis=-1)
    return defined_where_relevant(found / np.maximum((values > 0).sum(axis=-1), 1), values)


def hit_at(
    labels: ArrayLike, cutoff: int, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """1 where a relevant item stands within the first `cutoff` ranks, else 0.

    Args, result and raises as in `precision_at`.
    """
    values = counted(labels, weights, mask).labels
    return defined_where_relevant((head(values, cutoff) > 0).any(axis=-1).astype(np.float64), values)
