"""Metrics of how soon the user is served: reciprocal rank and its expectation under a cascade."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import counted, defined_where_relevant, head


def reciprocal_rank(
    labels: ArrayLike, weights: ArrayLike | None = None, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """One over the rank of the first relevant item; its mean over lists is MRR.

    >>> reciprocal_rank([0.0, 1.0, 1.0])
    array(0.5)

    Args:
        labels: float `[..., list_size]` in rank order; relevant where positive; 0 at padding.
        weights: float `[..., list_size]`, >= 0; an item of weight 0 holds no rank. Otherwise weights leave this
            value alone, as in TF-Ranking, and count in the mean over lists (`list_weights`).
        mask: bool `[..., list_size]`, false for items that hold no rank. None: all do.

    Returns:
        float64 `[...]` in (0, 1]; nan where no item is relevant.

    Raises:
        DataError: a label or weight is not finite or negative.
    """
    values = counted(labels, weights, mask).labels
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    return defined_where_relevant(1.0 / (np.argmax(values > 0, axis=-1) + 1.0), values)


def expected_reciprocal_rank(
    labels: ArrayLike,
    max_grade: float,
    cutoff: int | None = None,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """ERR@k: the expected reciprocal of the rank at which a user who scans from the top is satisfied.

    An item of grade g satisfies with probability `(2**g - 1) / 2**max_grade`, and the scan ends there.

    Args:
        labels: float `[..., list_size]` in rank order, in [0, max_grade]; 0 at padding.
        max_grade: the highest grade of the scale, >= the highest label (1 for clicks).
        cutoff: the rank k at which every user gives up; None: the end of the list.
        weights, mask: as in `reciprocal_rank`.

    Returns:
        float64 `[...]` in [0, 1]; nan where no label is positive.

    Raises:
        DataError: a label or weight is not finite or negative.
        ValueError: a label is above `max_grade`, that is not finite, or `cutoff` is below 1.

    Source: Chapelle et al., "Expected reciprocal rank for graded relevance", CIKM 2009.
    """
    values = counted(labels, weights, mask).labels
    if not np.isfinite(max_grade):
        raise ValueError(f"max_grade: {max_grade}; give the top of the scale")
    if values.size and values.max() > max_grade:
        raise ValueError(f"labels: {values.max()} is above max_grade {max_grade}; raise max_grade to the scale's top")
    top = head(values, cutoff)
    satisfied = np.exp2(top - max_grade) - np.exp2(-max_grade)
    goes_on = np.cumprod(1.0 - satisfied, axis=-1)
    reached = np.concatenate([np.ones_like(goes_on[..., :1]), goes_on[..., :-1]], axis=-1)
    return defined_where_relevant((reached * satisfied / np.arange(1, top.shape[-1] + 1)).sum(axis=-1), values)
