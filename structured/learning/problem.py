"""A structured learning problem: inputs, true labels, and the graph whose edges carry pairwise terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.inference.potentials import Potentials
from structured.learning.design_matrix import DesignMatrix
from structured.learning.label_space import LabelSpace
from structured.learning.pair_tables import pair_tables
from structured.learning.weights import Weights


@dataclass(frozen=True)
class LabelingProblem:
    """What is learned from; Hamming loss counts the wrong labels among those that are known.

    Attributes:
        design: `[N, d]` with the constant column.
        labels: int64 `[N, n]`, the true states; where not known, a completion.
        known: bool `[N, n]`.
        space: of the labels.
        edges: int64 `[E, 2]`, `i < j`, in lexicographic order.
        pair_features: float64 `[N, f]`, what scales the pair tables; the first column is 1.
    """

    design: DesignMatrix
    labels: NDArray[np.int64]
    known: NDArray[np.bool_]
    space: LabelSpace
    edges: NDArray[np.int64]
    pair_features: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of inputs."""
        return len(self.labels)

    def no_weights(self) -> Weights:
        """`w = 0`."""
        width = self.space.width
        return Weights(
            np.zeros((self.design.width, len(self.space.states), width)),
            np.zeros((self.pair_features.shape[1], len(self.edges), width**2)),
        )

    def potentials(self, weights: Weights, rows: NDArray[np.int64]) -> Potentials:
        """Scores of the rows' labelings."""
        labels, width = self.labels.shape[1], self.space.width
        flat = self.design.times(weights.unary.reshape(-1, labels * width), rows)
        unary = np.einsum("bnq,nkq->bnk", flat.reshape(-1, labels, width), self.space.basis) + self.space.offset
        return Potentials(unary, self.edges, self._tables(weights, rows))

    def augmented(self, weights: Weights, rows: NDArray[np.int64]) -> Potentials:
        """Scores plus Hamming loss: 1 for every known label that differs from the truth."""
        plain = self.potentials(weights, rows)
        wrong = np.arange(plain.unary.shape[2]) != self.labels[rows][:, :, None]
        return Potentials(plain.unary + (wrong & self.known[rows][:, :, None]), plain.edges, plain.pair)

    def pair_coordinates(self, unary: NDArray[np.float64]) -> NDArray[np.float64]:
        """Products of two labels' coordinates for labelings: `[B, n, K - 1]` to `[B, E, (K - 1)^2]`."""
        first, second = unary[:, self.edges[:, 0]], unary[:, self.edges[:, 1]]
        return (first[..., :, None] * second[..., None, :]).reshape(len(unary), len(self.edges), self.space.width**2)

    def _tables(self, weights: Weights, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        tables = pair_tables(weights, self.edges, self.space)
        if len(tables) == 1:
            return tables[0]
        return np.einsum("bf,fekl->bekl", self.pair_features[rows], tables)
