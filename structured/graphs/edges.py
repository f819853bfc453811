"""Edges between labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seriatim_errors import StructureError


def complete_edges(labels: int) -> NDArray[np.int64]:
    """All pairs of labels, int64 `[n (n - 1) / 2, 2]`, `i < j`, in lexicographic order."""
    return np.stack(np.triu_indices(labels, k=1), axis=1).astype(np.int64)


def checked_edges(edges: ArrayLike, labels: int) -> NDArray[np.int64]:
    """The edges in this package's form: int64 `[E, 2]`, `i < j`, in lexicographic order.

    Args:
        edges: pairs of labels, either end first; an empty sequence for none.
        labels: number of labels `n`.

    Raises:
        StructureError: an edge is no pair of two labels in `0..n-1`, or stands twice.
    """
    given = np.asarray(edges)
    if given.size == 0:
        return np.zeros((0, 2), np.int64)
    if given.ndim != 2 or given.shape[1] != 2 or not np.issubdtype(given.dtype, np.integer):
        raise StructureError(f"edges: shape {given.shape} of {given.dtype}; give pairs of label numbers, [E, 2]")
    ordered = np.sort(given.astype(np.int64), axis=1)
    for low, high in ordered:
        if not 0 <= low < high < labels:
            raise StructureError(f"edges: ({low}, {high}) with {labels} labels; join two labels from 0 to {labels - 1}")
    distinct = np.unique(ordered, axis=0)
    if len(distinct) < len(ordered):
        raise StructureError(f"edges: {len(ordered) - len(distinct)} stand twice; give every pair once")
    return distinct
