"""Rank order: the one step that every ranking metric takes before it counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ranked_labels(labels: ArrayLike, scores: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float64]:
    """Labels sorted by descending score, the form that the metrics of this package read.

    >>> ranked_labels([0.0, 2.0, 1.0], [0.3, 0.9, 0.1])
    array([2., 0., 1.])

    Args:
        labels: float `[..., list_size]`, >= 0.
        scores: float `[..., list_size]`; equal scores keep their present order.
        mask: bool `[..., list_size]`, true where an item stands; None: everywhere.

    Returns:
        float64 `[..., list_size]`; where the mask is false the label counts as 0 and stands last.
    """
    values = np.asarray(labels, np.float64)
    keys = -np.asarray(scores, np.float64)
    if mask is not None:
        values, keys = np.where(mask, values, 0.0), np.where(mask, keys, np.inf)
    return np.take_along_axis(values, np.argsort(keys, axis=-1, kind="stable"), axis=-1)


def defined_where_relevant(value: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """`value` `[...]`, nan where a list of `labels` `[..., list_size]` holds no positive label."""
    return np.where((labels > 0).any(axis=-1), value, np.nan)


def head(labels: NDArray[np.float64], cutoff: int | None) -> NDArray[np.float64]:
    """The first `cutoff` ranks of `labels`, float64 `[..., min(cutoff, list_size)]`; None: all ranks.

    Raises:
        ValueError: `cutoff` is below 1.
    """
    if cutoff is None:
        return labels
    if cutoff < 1:
        raise ValueError(f"cutoff: {cutoff}; give a rank of at least 1, or None for the whole list")
    return labels[..., :cutoff]
