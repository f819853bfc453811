"""The labeller: joint labels of items by exact max-product over a forest of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.runtime.label_file import LabelFile, read_label_file
from serving.runtime.rooted_order import RootedOrder, root_forest

# As many items at a time as keep the scores near the core, and never so few that calls cost more than their work.
CACHED_SCORES = 1 << 18
LEAST_ITEMS = 512
CHILDREN_ADDED = 32
TAG = ("0", "1")


class _Family(NamedTuple):
    """Neighbouring parents with their children (counted within the depth), and the matrix that adds up by parent."""

    parents: slice
    children: slice
    sums: NDArray[np.float64]


class _Depth(NamedTuple):
    """The labels of one depth, as places in the rooted order."""

    places: slice
    parents: NDArray[np.int64]
    families: list[_Family]


class Labeller:
    """Sets the labels of items with the forest in `path`; see docs/bundle.md for the file.

    Args:
        path: the `.npz` file.
        features: names of the columns of the matrices to come, among them all that the file reads.

    Raises:
        BundleError: the file is not a labeller's over these features.
    """

    def __init__(self, path: Path, features: Sequence[str]) -> None:
        file = read_label_file(path, features)
        self.label_names, self.state_names = file.label_names, file.state_names
        self.edge_count = len(file.edges)
        places = {name: place for place, name in enumerate(features)}
        columns = [places[name] for name in file.feature_names]
        self._columns = None if columns == list(range(len(features))) else columns
        self._order = root_forest(file.edges, len(file.label_names))
        self._places = np.argsort(self._order.labels)
        self._depths = _depths(self._order)
        # States lead, then labels in rooted order; items come last, where every step runs over contiguous memory.
        bias = file.unary_bias.T[:, self._order.labels]
        weights = file.unary_weights.transpose(2, 1, 0)[:, self._order.labels]
        self._bias = np.ascontiguousarray(bias)[..., np.newaxis]
        # Only differences between states decide, so that the first state needs no product.
        self._weights = np.ascontiguousarray((weights[1:] - weights[0]).reshape(-1, len(columns)))
        self._absent = self._bias == -np.inf
        self._tables = _oriented(file, self._order, file.pair_tables)[..., np.newaxis]
        self._pair_columns = file.pair_columns
        self._pair_weights: NDArray[np.float64] | None = None
        self._items_at_once = max(LEAST_ITEMS, CACHED_SCORES // self._bias.size)
        if len(file.pair_columns):
            varying = [_oriented(file, self._order, tables).ravel() for tables in file.pair_weights]
            self._pair_weights = np.stack(varying, axis=-1)
            # Every item has tables of its own, which are far larger than its scores.
            self._items_at_once = max(1, CACHED_SCORES // self._tables.size)

    def labels(self, matrix: NDArray[np.floating]) -> NDArray[np.int64]:
        """The joint labels with the highest score, exactly; of equal ones the smallest state, roots first.

        Args:
            matrix: raw features float `[items, features]`.

        Returns:
            int64 `[items, labels]`, states from 0.

        Raises:
            OverflowError: the scores of an item are not finite, so that any labels would be arbitrary.
        """
        labels = np.empty((len(matrix), len(self.label_names)), np.int64)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(matrix), self._items_at_once):
                part = matrix[start : start + self._items_at_once]
                if self._columns is not None:
                    part = part[:, self._columns]
                labels[start : start + len(part)] = self._best(part.astype(np.float64))[self._places].T
        return labels

    def named(self, states: NDArray[np.int64]) -> list[tuple[str, str]]:
        """One item's labels int64 `[labels]` as a reader wants them: names with their states' names.

        A tag (two states named 0 and 1) is there only if the item has it, with an empty value.
        """
        return [
            (name, "" if names == TAG else names[state])
            for name, names, state in zip(self.label_names, self.state_names, states.tolist(), strict=True)
            if names != TAG or state == 1
        ]

    def _best(self, features: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Best states `[labels in rooted order, items]` of `[items, own features]`."""
        tables = self._tables
        if self._pair_weights is not None:
            varying = self._pair_weights @ features[:, self._pair_columns].T
            tables = tables + varying.reshape(*tables.shape[:-1], len(features))
        scores = np.empty((*self._bias.shape[:-1], len(features)))
        scores[0] = self._bias[0]
        np.matmul(self._weights, features.T, out=scores[1:].reshape(-1, len(features)))
        scores[1:] += self._bias[1:]
        choices = self._send_upwards(scores, tables)
        if not ((np.isfinite(scores) | self._absent).all() and np.isfinite(tables).all()):
            raise OverflowError("the features are outside what float64 can carry through the scores")
        return self._decide_downwards(scores, choices)

    def _send_upwards(self, scores: NDArray[np.float64], tables: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Add to each label's scores `[states, labels, items]` the best that its children can reach.

        Returns:
            The child's best state for each state of its parent, `[parent's states, labels, items]`.
        """
        choices = np.empty(scores.shape, np.uint8)
        for depth in self._depths:
            own, pair = scores[:, depth.places], tables[:, :, depth.places]
            message = own[0] + pair[0]
            choice = choices[:, depth.places]
            choice[:] = 0
            for state in range(1, len(scores)):
                reached = own[state] + pair[state]
                _prefer(state, reached > message, choice)
                np.maximum(message, reached, out=message)
            for family in depth.families:
                scores[:, family.parents] += family.sums @ message[:, family.children]
        return choices

    def _decide_downwards(self, scores: NDArray[np.float64], choices: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Take each root's best state, then below it what was best for the state above."""
        states = np.zeros(scores.shape[1:], np.uint8)
        roots = slice(0, self._order.starts[1])
        best = scores[0, roots].copy()
        for state in range(1, len(scores)):
            _prefer(state, scores[state, roots] > best, states[roots])
            np.maximum(best, scores[state, roots], out=best)
        for depth in reversed(self._depths):
            above, chosen = states[depth.parents], choices[:, depth.places]
            decided = chosen[0]
            for state in range(1, len(scores)):
                # Bits are far faster than `where`: a byte of ones takes over the choice, a zero leaves it.
                decided = decided ^ (decided ^ chosen[state]) & -(above == state).view(np.uint8)
            states[depth.places] = decided
        return states


def _prefer(state: int, better: NDArray[np.bool_], choice: NDArray[np.uint8]) -> None:
    """Put `state`, which is larger than all before it, where it is better: a maximum is faster than a mask."""
    np.maximum(choice, better.view(np.uint8) * np.uint8(state), out=choice)


def _depths(order: RootedOrder) -> list[_Depth]:
    """The depths below the roots, the deepest first."""
    depths = []
    for low, high in zip(order.starts[1:-1], order.starts[2:], strict=True):
        parents = order.parents[low:high]
        depths.append(_Depth(slice(low, high), parents, _families(parents)))
    return depths[::-1]


def _families(parents: NDArray[np.int64]) -> list[_Family]:
    """A depth's children (their parents rise) in groups whose matrices stay small, so that work is linear in labels."""
    families = []
    start = 0
    while start < len(parents):
        stop = int(np.searchsorted(parents, parents[min(start + CHILDREN_ADDED, len(parents)) - 1], side="right"))
        first, last = int(parents[start]), int(parents[stop - 1])
        sums = (np.arange(first, last + 1)[:, np.newaxis] == parents[start:stop]).astype(np.float64)
        families.append(_Family(slice(first, last + 1), slice(start, stop), sums))
        start = stop
    return families


def _oriented(file: LabelFile, order: RootedOrder, tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tables float64 `[edges, K, K]` as `[child's state, parent's state, labels in rooted order]`, zero at roots."""
    below = order.edges >= 0
    edges = order.edges[below]
    child_first = file.edges[edges, 0] == order.labels[below]
    laid = np.zeros((len(order.labels), *tables.shape[1:]))
    laid[below] = np.where(child_first[:, np.newaxis, np.newaxis], tables[edges], tables[edges].transpose(0, 2, 1))
    return np.ascontiguousarray(laid.transpose(1, 2, 0))
