"""The scores of a pairwise model, for a batch of inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import StructureError


@dataclass(frozen=True)
class Potentials:
    """`score(y) = sum_i unary[i, y_i] + sum_ij pair[ij, y_i, y_j]`, a row an input.

    Attributes:
        unary: float64 `[B, n, K]`; -inf marks states that a label does not have.
        edges: int64 `[E, 2]`, `i < j`, distinct.
        pair: float64 `[E, K, K]`, or `[B, E, K, K]` where it depends on the input; first axis of a table: `y_i`.

    Raises:
        StructureError: shapes do not fit together, a score is NaN or +inf, or a label has no state.
    """

    unary: NDArray[np.float64]
    edges: NDArray[np.int64]
    pair: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.unary.ndim != 3:
            raise StructureError(f"unary: shape {self.unary.shape}; give [inputs, labels, states]")
        batch, _, states = self.unary.shape
        tables = (len(self.edges), states, states)
        if self.pair.shape not in (tables, (batch, *tables)):
            raise StructureError(
                f"pair: shape {self.pair.shape} for {len(self.edges)} edges and {states} states; "
                f"give {tables} or {(batch, *tables)}"
            )
        if np.isnan(self.unary).any() or np.isposinf(self.unary).any() or not np.isfinite(self.pair).all():
            raise StructureError("unary or pair: a score is not finite; look for NaN or very large features")
        if self.unary.size and not np.isfinite(self.unary).any(axis=2).all():
            raise StructureError("unary: a label has no state with a finite score; give every label one")

    def score(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Score of one labeling an input: int `[B, n]` to float64 `[B]`."""
        batch, count, _ = self.unary.shape
        rows = np.arange(batch)[:, None]
        total = self.unary[rows, np.arange(count)[None, :], labels].sum(axis=1)
        first, second = labels[:, self.edges[:, 0]], labels[:, self.edges[:, 1]]
        which = np.arange(len(self.edges))[None, :]
        chosen = self.pair[which, first, second] if self.pair.ndim == 3 else self.pair[rows, which, first, second]
        return np.asarray(total + chosen.sum(axis=1))

    def take(self, rows: NDArray[np.int64]) -> Potentials:
        """The potentials of some inputs."""
        if len(rows) == len(self.unary) and (rows == np.arange(len(rows))).all():
            return self
        return Potentials(self.unary[rows], self.edges, self.pair if self.pair.ndim == 3 else self.pair[rows])
