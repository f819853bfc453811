"""The Chow-Liu tree: the maximum spanning tree of the labels' mutual information.

Chow and Liu, "Approximating discrete probability distributions with dependence trees" (1968).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structured.graphs import complete_edges, maximum_spanning_forest

# Added to every cell of a table of counts, so that empty cells keep the information finite and >= 0.
SMOOTHING = 0.5


def chow_liu_edges(labels: NDArray[np.int64], known: NDArray[np.bool_], states: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tree's edges, int64 `[n - 1, 2]`; ties go to the lexicographically first.

    Args:
        labels: states `[N, n]`.
        known: bool `[N, n]`; a pair counts in rows where both are known.
        states: `[n]`, number of states of each label.
    """
    edges = complete_edges(labels.shape[1])
    return edges[maximum_spanning_forest(edges, mutual_information(labels, known, states), labels.shape[1])]


def mutual_information(
    labels: NDArray[np.int64], known: NDArray[np.bool_], states: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mutual information of every pair of labels in nats, float64 `[n (n - 1) / 2]`, >= 0, in lexicographic order."""
    width = int(states.max())
    shown = ((labels[:, :, None] == np.arange(width)) & known[:, :, None]).astype(float)
    flat = shown.reshape(len(labels), -1)
    counts = (flat.T @ flat).reshape(len(states), width, len(states), width)
    first, second = complete_edges(len(states)).T
    exists = np.arange(width) < states[:, None]
    cells = exists[first][:, :, None] & exists[second][:, None, :]
    table = np.where(cells, counts[first, :, second, :] + SMOOTHING, 0.0)
    table /= table.sum(axis=(1, 2), keepdims=True)
    apart = table.sum(axis=2, keepdims=True) * table.sum(axis=1, keepdims=True)
    ratio = np.where(cells, table / np.where(cells, apart, 1), 1.0)
    return np.asarray(np.maximum((table * np.log(ratio)).sum(axis=(1, 2)), 0))
