"""Maximum spanning forests and the circuit rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree


def maximum_spanning_forest(
    edges: NDArray[np.int64],
    weights: NDArray[np.float64],
    labels: int,
    preferred: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """A spanning forest of greatest total weight; edges of weight 0 join it where they close no circle.

    Args:
        edges: `[E, 2]`.
        weights: `[E]`, >= 0.
        labels: number of labels `n`.
        preferred: bool `[E]`: wins among equal weights, so that a forest found before stays; then the first edge.

    Returns:
        int64, ascending: which edges; `n` minus the number of connected components of them.
    """
    favoured = np.zeros(len(edges), bool) if preferred is None else preferred
    order = np.lexsort((np.arange(len(edges)), ~favoured, -weights))
    # The rank instead of the weight: scipy reads a weight of 0 as no edge, and equal weights as any order.
    rank = np.empty(len(edges))
    rank[order] = np.arange(1, len(edges) + 1)
    kept = minimum_spanning_tree(_graph(edges, rank, labels)).data.astype(np.int64)
    return np.sort(order[kept - 1])


def circuit_rank(edges: NDArray[np.int64], labels: int) -> int:
    """How many edges must go to break every circle: `|E| - n + components`; 0 exactly for forests."""
    graph = _graph(edges, np.ones(len(edges)), labels)
    return len(edges) - labels + int(connected_components(graph, directed=False, return_labels=False))


def _graph(edges: NDArray[np.int64], weights: NDArray[np.float64], labels: int) -> csr_array:
    ends = edges.astype(np.int32)
    return coo_array((weights, (ends[:, 0], ends[:, 1])), shape=(labels, labels)).tocsr()
