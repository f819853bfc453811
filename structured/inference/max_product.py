"""Exact best labelings of forests by max-product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structured.graphs import RootedForest
from structured.inference.potentials import Potentials


def max_product(potentials: Potentials, forest: RootedForest | None = None) -> NDArray[np.int64]:
    """The best labeling of each input; ties go to the smallest state, deciding from the roots down.

    Messages go up, depth by depth, `m_{c -> p}(y_p) = max_{y_c} theta_c(y_c) + theta_cp(y_c, y_p) + messages
    into c`; the choices are then read off downwards. Time is linear in labels: `O(B n K^2)`.

    Args:
        potentials: of `B` inputs over `n` labels.
        forest: of `potentials.edges`; None makes it.

    Returns:
        int64 `[B, n]`.

    Raises:
        StructureError: the edges close a circle.
    """
    batch, count, states = potentials.unary.shape
    rooted = RootedForest.from_edges(potentials.edges, count) if forest is None else forest
    # The batch lies last, so that every step runs over contiguous memory.
    beliefs = potentials.unary.transpose(1, 2, 0).copy()
    choices: list[NDArray[np.int64]] = []
    for level in rooted.levels[:0:-1]:
        tables = oriented_tables(potentials, rooted, level)
        message = np.empty((len(level), states, batch))
        choice = np.empty((len(level), states, batch), np.int64)
        for state in range(states):
            candidates = beliefs[level] + tables[:, :, state]
            choice[:, state] = candidates.argmax(axis=1)
            message[:, state] = np.take_along_axis(candidates, choice[:, state][:, None], axis=1)[:, 0]
        choices.append(choice)
        parents, starts = np.unique(rooted.parent[level], return_index=True)
        order = np.argsort(starts)
        beliefs[parents[order]] += np.add.reduceat(message, starts[order], axis=0)
    labels = np.empty((count, batch), np.int64)
    roots = rooted.levels[0] if rooted.levels else np.zeros(0, np.int64)
    labels[roots] = beliefs[roots].argmax(axis=1)
    for level, choice in zip(rooted.levels[1:], reversed(choices), strict=True):
        above = labels[rooted.parent[level]]
        labels[level] = np.take_along_axis(choice, above[:, None], axis=1)[:, 0]
    return np.ascontiguousarray(labels.T)


def oriented_tables(potentials: Potentials, forest: RootedForest, level: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pair scores of a depth's labels with their parents, `[labels, y_child, y_parent, B or 1]`."""
    pair = potentials.pair if potentials.pair.ndim == 4 else potentials.pair[None]
    chosen = pair[:, forest.edge[level]].transpose(1, 2, 3, 0)
    child_first = potentials.edges[forest.edge[level], 0] == level
    return np.where(child_first[:, None, None, None], chosen, chosen.transpose(0, 2, 1, 3))
