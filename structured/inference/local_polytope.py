"""Points of the local polytope: marginals of labels and edges that agree with one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.inference.potentials import Potentials

# Shares of the largest difference of beliefs below which a label of two states may be left at one half.
UNDECIDED = (1e-6, 1e-4, 1e-2)


@dataclass(frozen=True)
class RelaxedLabeling:
    """Marginals that are consistent locally; those of one labeling are 0 and 1.

    Attributes:
        unary: float64 `[B, n, K]`, sums to 1 over states.
        pair: float64 `[B, E, K, K]`, its margins are the two labels' rows of `unary`.
        value: float64 `[B]`, the score they have.
    """

    unary: NDArray[np.float64]
    pair: NDArray[np.float64]
    value: NDArray[np.float64]

    @classmethod
    def empty(cls, batch: int, labels: int, edges: int, states: int) -> RelaxedLabeling:
        """Places for `batch` points, of value -inf."""
        return cls(np.zeros((batch, labels, states)), np.zeros((batch, edges, states, states)), np.full(batch, -np.inf))

    @classmethod
    def of_labels(cls, potentials: Potentials, labels: NDArray[np.int64]) -> RelaxedLabeling:
        """The corner of the polytope that is a labeling, int `[B, n]`."""
        unary = np.eye(potentials.unary.shape[2])[labels]
        first, second = potentials.edges.T
        pair = unary[:, first, :, None] * unary[:, second, None, :]
        return cls(unary, pair, potentials.score(labels))

    def keep_better(self, rows: NDArray[np.int64], other: RelaxedLabeling) -> None:
        """Take over the points of `other`, one each of `rows`, whose value is higher."""
        better = other.value > self.value[rows]
        self.unary[rows[better]] = other.unary[better]
        self.pair[rows[better]] = other.pair[better]
        self.value[rows[better]] = other.value[better]


def best_relaxed(potentials: Potentials, beliefs: NDArray[np.float64]) -> RelaxedLabeling:
    """The best of the points that `beliefs` `[B, n, K]` suggest: their labeling, or with undecided labels at one half.

    Corners of the local polytope over labels of two states hold 0, 1/2 and 1 only, and a label is at 1/2 where
    the dual's beliefs tie.
    """
    best = RelaxedLabeling.of_labels(potentials, beliefs.argmax(axis=2))
    if beliefs.shape[2] != 2 or not len(potentials.edges):
        return best
    difference = beliefs[..., 1] - beliefs[..., 0]
    with np.errstate(invalid="ignore"):
        size = np.where(np.isfinite(difference), np.abs(difference), 0).max(axis=1, keepdims=True)
    rows = np.arange(len(beliefs))
    for share in UNDECIDED:
        undecided = np.abs(difference) <= share * size
        on = np.where(undecided, 0.5, (difference > 0).astype(float))
        best.keep_better(rows, best_pairs(potentials, on))
    return best


def rounded(potentials: Potentials, beliefs: NDArray[np.float64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """The better of the labeling that `beliefs` choose and the `known` one, int64 `[B, n]`."""
    chosen = beliefs.argmax(axis=2)
    better = potentials.score(chosen) > potentials.score(known)
    return np.where(better[:, None], chosen, known)


def best_pairs(potentials: Potentials, on: NDArray[np.float64]) -> RelaxedLabeling:
    """Labels of two states are on with probability `on` `[B, n]`; each edge takes its best table with these margins.

    Such a table has one free cell, `P(1, 1)` in `[max(0, p + q - 1), min(p, q)]`, and the score is linear in it.
    """
    first, second = on[:, potentials.edges[:, 0]], on[:, potentials.edges[:, 1]]
    pair = potentials.pair
    slope = pair[..., 0, 0] + pair[..., 1, 1] - pair[..., 0, 1] - pair[..., 1, 0]
    both = np.where(slope > 0, np.minimum(first, second), np.maximum(0, first + second - 1))
    tables = np.stack([1 - first - second + both, second - both, first - both, both], axis=-1)
    tables = tables.reshape(*both.shape, 2, 2)
    unary = np.stack([1 - on, on], axis=-1)
    scored = np.where(unary > 0, potentials.unary, 0)
    value = (unary * scored).sum(axis=(1, 2)) + (tables * pair).sum(axis=(1, 2, 3))
    return RelaxedLabeling(unary, tables, value)
