"""The k best labelings of a forest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.graphs import RootedForest
from structured.inference.max_product import oriented_tables
from structured.inference.potentials import Potentials

NO_LABELING = -1


def k_best(
    potentials: Potentials, count: int, forest: RootedForest | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The best labelings of each input, best first, all different.

    Max-product with lists: each label keeps, a state, the `count` best assignments of the labels under it.
    Time is `O(B n K^2 count log count)`.

    Args:
        potentials: of `B` inputs over `n` labels.
        count: how many, at least 1.
        forest: of `potentials.edges`; None makes it.

    Returns:
        Labels int64 `[B, count, n]` and scores float64 `[B, count]`. Where there are fewer labelings, the rest is
        -1 with score -inf.

    Raises:
        StructureError: the edges close a circle.
    """
    batch, labels, states = potentials.unary.shape
    rooted = RootedForest.from_edges(potentials.edges, labels) if forest is None else forest
    lists = {node: np.ascontiguousarray(potentials.unary[:, node].T)[:, None] for node in range(labels)}
    joins: dict[int, list[_Join]] = {node: [] for node in range(labels)}
    for level in rooted.levels[:0:-1]:
        for child in level.tolist():
            parent = int(rooted.parent[child])
            table = oriented_tables(potentials, rooted, np.array([child]))[0]
            lists[parent], join = _joined(lists[parent], lists.pop(child), table, child, count)
            joins[parent].append(join)
    # Components meet under a root of one state.
    whole, ends = np.zeros((1, 1, batch)), []
    for root in rooted.levels[0].tolist():
        whole, join = _joined(whole, lists[root], np.zeros((states, 1, 1)), root, count)
        ends.append(join)
    found = whole.shape[1]
    solution, scores = np.full((batch, count, labels), NO_LABELING, np.int64), np.full((batch, count), -np.inf)
    scores[:, :found] = whole[0].T
    rows, nothing = np.arange(batch), np.zeros((found, batch), np.int64)
    waiting = [(ends, nothing, nothing + np.arange(found)[:, None])]
    while waiting:
        links, state, place = waiting.pop()
        for link in reversed(links):
            place, entry = np.divmod(link.pairs[state, place, rows], link.chosen.shape[1])
            child_state, child_place = np.divmod(link.chosen[state, entry, rows], link.length)
            solution[:, :found, link.child] = child_state.T
            waiting.append((joins[link.child], child_state, child_place))
    solution[~np.isfinite(scores)] = NO_LABELING
    return solution, scores


@dataclass(frozen=True)
class _Join:
    """How a child's list went into its parent's.

    Attributes:
        child: the label.
        length: of the child's list a state.
        chosen: int64 `[K parent, m, B]`: entry of the message as `state * length + place` in the child's list.
        pairs: int64 `[K parent, m', B]`: entry of the new list as `place before * m + entry of the message`.
    """

    child: int
    length: int
    chosen: NDArray[np.int64]
    pairs: NDArray[np.int64]


def _joined(
    before: NDArray[np.float64], below: NDArray[np.float64], table: NDArray[np.float64], child: int, count: int
) -> tuple[NDArray[np.float64], _Join]:
    """The parent's list `[K parent, a, B]` with its child's `[K child, b, B]`, over their table."""
    reached = below[:, None] + table[:, :, None]
    options = reached.transpose(1, 0, 2, 3).reshape(reached.shape[1], -1, reached.shape[3])
    chosen = _best(options, count)
    message = np.take_along_axis(options, chosen, axis=1)
    both = before[:, :, None] + message[:, None]
    both = both.reshape(len(both), -1, both.shape[3])
    pairs = _best(both, count)
    return np.take_along_axis(both, pairs, axis=1), _Join(child, below.shape[1], chosen, pairs)


def _best(options: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Places of the greatest `count` along the second axis, falling; ties keep their order."""
    return np.argsort(-options, axis=1, kind="stable")[:, :count]
