"""A forest with a root in every component: the order in which messages travel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import StructureError
from structured.graphs.spanning_forests import circuit_rank


@dataclass(frozen=True)
class RootedForest:
    """Every component rooted at its centre, which makes it as flat as can be: one step of messages a depth.

    Attributes:
        parent: int64 `[n]`, -1 at roots.
        edge: int64 `[n]`: the edge to the parent, -1 at roots.
        levels: the labels of each depth, roots first; within a depth, children of one parent lie together.
    """

    parent: NDArray[np.int64]
    edge: NDArray[np.int64]
    levels: tuple[NDArray[np.int64], ...]

    @classmethod
    def from_edges(cls, edges: NDArray[np.int64], labels: int) -> RootedForest:
        """Root a forest.

        Args:
            edges: `[E, 2]`.
            labels: number of labels `n`.

        Raises:
            StructureError: the edges close a circle.
        """
        extra = circuit_rank(edges, labels)
        if extra:
            raise StructureError(
                f"edges: the {len(edges)} edges over {labels} labels close {extra} circles; "
                "give a forest, or use the relaxations of structured.inference"
            )
        neighbours: list[list[tuple[int, int]]] = [[] for _ in range(labels)]
        for index, (low, high) in enumerate(edges.tolist()):
            neighbours[low].append((high, index))
            neighbours[high].append((low, index))
        parent, edge = np.full(labels, -1, np.int64), np.full(labels, -1, np.int64)
        level, levels = _centres(neighbours), []
        while level:
            levels.append(np.array(level, np.int64))
            below = []
            for node in level:
                for child, index in neighbours[node]:
                    if child != parent[node]:
                        parent[child], edge[child] = node, index
                        below.append(child)
            level = below
        return cls(parent, edge, tuple(levels))


def _centres(neighbours: list[list[tuple[int, int]]]) -> list[int]:
    """The middle label of each component (the smaller of two), by taking off leaves, layer after layer."""
    degree = [len(around) for around in neighbours]
    leaves = [node for node, count in enumerate(degree) if count <= 1]
    centres = []
    taken = [False] * len(neighbours)
    while leaves:
        following: list[int] = []
        for node in leaves:
            if taken[node]:
                continue
            taken[node] = True
            rest = [other for other, _ in neighbours[node] if not taken[other]]
            if not rest:
                centres.append(node)
                continue
            if degree[rest[0]] == 1 and rest[0] in leaves:
                # Two labels are left: both are leaves of the same layer.
                taken[rest[0]] = True
                centres.append(min(node, rest[0]))
                continue
            degree[rest[0]] -= 1
            if degree[rest[0]] == 1:
                following.append(rest[0])
        leaves = following
    return sorted(centres)
