"""Edges in groups that share no label, so that one vectorised step may change all of a group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def edge_matchings(edges: NDArray[np.int64], labels: int) -> list[NDArray[np.int64]]:
    """Split the edges into at most `n` matchings, by the round-robin colouring of the complete graph.

    With an odd number `m` of labels, edge `ij` gets colour `i + j mod m`: two edges that share a label never have
    the same. With an even number the last label's edges take the colour that is free at their other end, `2 i`.

    Args:
        edges: `[E, 2]`.
        labels: number of labels `n`.

    Returns:
        Indices of edges, a matching each; none is empty.
    """
    odd = labels - 1 if labels % 2 == 0 else labels
    first, second = edges.T
    colours = np.where(second < odd, first + second, 2 * first) % max(odd, 1)
    return [np.flatnonzero(colours == colour) for colour in np.unique(colours)]
