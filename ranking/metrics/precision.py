"""Metrics that count relevant items: precision, recall and hit at a rank, and average precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import defined_where_relevant, head


def average_precision(labels: ArrayLike) -> NDArray[np.float64]:
    """The mean, over relevant items, of the precision at each one's rank; its mean over lists is MAP.

    >>> average_precision([1.0, 0.0, 1.0]).round(4)
    0.8333

    Args:
        labels: float `[..., list_size]` in rank order; relevant where positive; 0 at padding.

    Returns:
        float64 `[...]` in (0, 1]; nan where no item is relevant.
    """
    values = np.asarray(labels, np.float64)
    relevant = values > 0
    precision = relevant.cumsum(axis=-1) / np.arange(1, values.shape[-1] + 1)
    found = np.where(relevant, precision, 0.0).sum(axis=-1)
    return defined_where_relevant(found / np.maximum(relevant.sum(axis=-1), 1), values)


def precision_at(labels: ArrayLike, cutoff: int) -> NDArray[np.float64]:
    """The share of the first `cutoff` ranks that relevant items hold.

    Ranks past the end of a shorter list count as not relevant, so that lists of different sizes compare.

    Args:
        labels: float `[..., list_size]` in rank order; relevant where positive; 0 at padding.
        cutoff: >= 1.

    Returns:
        float64 `[...]` in [0, 1]; nan where no item of the list is relevant.
    """
    values = np.asarray(labels, np.float64)
    return defined_where_relevant((head(values, cutoff) > 0).sum(axis=-1) / cutoff, values)


def recall_at(labels: ArrayLike, cutoff: int) -> NDArray[np.float64]:
    """The share of the relevant items that stand within the first `cutoff` ranks.

    Args and result as in `precision_at`.
    """
    values = np.asarray(labels, np.float64)
    found = (head(values, cutoff) > 0).sum(axis=-1)
    return defined_where_relevant(found / np.maximum((values > 0).sum(axis=-1), 1), values)


def hit_at(labels: ArrayLike, cutoff: int) -> NDArray[np.float64]:
    """1 where a relevant item stands within the first `cutoff` ranks, else 0.

    Args and result as in `precision_at`.
    """
    values = np.asarray(labels, np.float64)
    return defined_where_relevant((head(values, cutoff) > 0).any(axis=-1).astype(np.float64), values)
