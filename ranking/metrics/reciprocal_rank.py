"""Metrics of how soon the user is served: reciprocal rank and its expectation under a cascade."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import defined_where_relevant, head


def reciprocal_rank(labels: ArrayLike) -> NDArray[np.float64]:
    """One over the rank of the first relevant item; its mean over lists is MRR.

    >>> reciprocal_rank([0.0, 1.0, 1.0])
    array(0.5)

    Args:
        labels: float `[..., list_size]` in rank order; relevant where positive; 0 at padding.

    Returns:
        float64 `[...]` in (0, 1]; nan where no item is relevant.
    """
    values = np.asarray(labels, np.float64)
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    return defined_where_relevant(1.0 / (np.argmax(values > 0, axis=-1) + 1.0), values)


def expected_reciprocal_rank(labels: ArrayLike, max_grade: float, cutoff: int | None = None) -> NDArray[np.float64]:
    """ERR@k: the expected reciprocal of the rank at which a user who scans from the top is satisfied.

    An item of grade g satisfies with probability `(2**g - 1) / 2**max_grade`, and the scan ends there.

    Args:
        labels: float `[..., list_size]` in rank order, in [0, max_grade]; 0 at padding.
        max_grade: the highest grade of the scale, >= the highest label (1 for clicks).
        cutoff: the rank k at which every user gives up; None: the end of the list.

    Returns:
        float64 `[...]` in [0, 1); nan where no label is positive.

    Raises:
        ValueError: a label is above `max_grade`.

    Source: Chapelle et al., "Expected reciprocal rank for graded relevance", CIKM 2009.
    """
    values = np.asarray(labels, np.float64)
    if values.size and values.max() > max_grade:
        raise ValueError(f"labels: {values.max()} is above max_grade {max_grade}; raise max_grade to the scale's top")
    satisfied = (np.exp2(head(values, cutoff)) - 1.0) / np.exp2(max_grade)
    reached = np.cumprod(1.0 - satisfied, axis=-1) / (1.0 - satisfied)
    ranks = np.arange(1, satisfied.shape[-1] + 1)
    return defined_where_relevant((reached * satisfied / ranks).sum(axis=-1), values)
