"""The order in which a forest's labels are visited: depth by depth, from a root in every component."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RootedOrder:
    """A forest laid out depth by depth, roots first; the children of one label lie side by side.

    Attributes:
        labels: int64 `[n]`, the label at each place.
        parents: int64 `[n]`, the place of its parent, -1 at a root.
        edges: int64 `[n]`, the edge to its parent, -1 at a root.
        starts: the first place of each depth, and `n` at the end.
    """

    labels: NDArray[np.int64]
    parents: NDArray[np.int64]
    edges: NDArray[np.int64]
    starts: tuple[int, ...]


def root_forest(edges: NDArray[np.int64], count: int) -> RootedOrder:
    """Root every component of a forest at its centre, the smaller label of two: no other root is less deep.

    Args:
        edges: int64 `[E, 2]`, without circles.
        count: number of labels, `n`.
    """
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for edge, (low, high) in enumerate(edges.tolist()):
        neighbours[low].append((high, edge))
        neighbours[high].append((low, edge))
    labels = sorted(_centres(neighbours))
    parents, by_edge, starts = [-1] * len(labels), [-1] * len(labels), [0]
    while starts[-1] < len(labels):
        depth = range(starts[-1], len(labels))
        starts.append(len(labels))
        for place in depth:
            for neighbour, edge in neighbours[labels[place]]:
                if edge != by_edge[place]:
                    labels.append(neighbour)
                    parents.append(place)
                    by_edge.append(edge)
    return RootedOrder(np.array(labels), np.array(parents), np.array(by_edge), tuple(starts))


def _centres(neighbours: list[list[tuple[int, int]]]) -> list[int]:
    """The middle of a longest path of each component."""
    centres, seen = [], [False] * len(neighbours)
    for label in range(len(neighbours)):
        if seen[label]:
            continue
        component = _walk(neighbours, label)
        for member, _ in component:
            seen[member] = True
        walk = _walk(neighbours, component[-1][0])
        before = dict(walk)
        path = [walk[-1][0]]
        while before[path[-1]] >= 0:
            path.append(before[path[-1]])
        centres.append(min(path[len(path) // 2], path[(len(path) - 1) // 2]))
    return centres


def _walk(neighbours: list[list[tuple[int, int]]], start: int) -> list[tuple[int, int]]:
    """The labels of a component, nearest to `start` first, each with the one before it, -1 at `start`."""
    walk = [(start, -1)]
    for label, before in walk:
        walk.extend((neighbour, label) for neighbour, _ in neighbours[label] if neighbour != before)
    return walk
