"""Edges in groups that share no label, so that one vectorised step may change all of a group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def edge_matchings(edges: NDArray[np.int64], labels: int) -> list[NDArray[np.int64]]:
    """Split the edges into at most `n` matchings, by the round-robin colouring of the complete graph.

    With `m` the next odd number from `n`, edge `ij` gets colour `i + j mod m`: two edges that share a label
    never have the same colour.

    Args:
        edges: `[E, 2]`.
        labels: number of labels `n`.

    Returns:
        Indices of edges, a matching each; none is empty.
    """
    colours = edges.sum(axis=1) % (labels | 1)
    return [np.flatnonzero(colours == colour) for colour in np.unique(colours)]
