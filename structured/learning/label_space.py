"""Labels and their states, written in contrasts so that every table has one form and one norm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import TrainingError


@dataclass(frozen=True)
class LabelSpace:
    """Coordinates of each label's state: orthonormal contrasts less their mean over the training labels.

    A pair table holds unary and constant parts, so that its norm says nothing until they are taken out (the
    spec's gauge). A table `basis_i C_ij basis_j^T` has the interaction `C_ij` and no choice left: whatever the
    means are, its double-centred part has the Frobenius norm of `C_ij`. For two states the contrast is
    (-1, 1) / sqrt(2) and `C_ij` a number. Taking off the means keeps an edge between two rare labels from being
    all but a copy of their unary terms, which makes learning many times faster.

    Attributes:
        states: int64 `[n]`, number of states of each label, from 1.
        basis: float64 `[n, K, K - 1]`, a row a state. `K` is at least 2.
        offset: float64 `[n, K]`, 0 or, for states a label does not have, -inf.
    """

    states: NDArray[np.int64]
    basis: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of(cls, states: NDArray[np.int64], frequencies: NDArray[np.float64] | None = None) -> LabelSpace:
        """The space of labels with these numbers of states.

        Args:
            states: `[n]`.
            frequencies: `[n, K]`, how often each state occurs, summing to 1 a label; None: equally often.

        Raises:
            TrainingError: no label, or a label without a state.
        """
        if not len(states) or states.min() < 1:
            raise TrainingError(f"states: {states.tolist()}; give at least one label, and each at least one state")
        most = max(2, int(states.max()))
        basis = np.zeros((len(states), most, most - 1))
        for label, count in enumerate(states):
            basis[label, :count, : count - 1] = _contrasts(int(count))
        if frequencies is not None:
            basis -= np.einsum("nk,nkq->nq", frequencies, basis)[:, None]
        offset = np.where(np.arange(most) < states[:, None], 0.0, -np.inf)
        return cls(states, basis, offset)

    @property
    def width(self) -> int:
        """Coordinates of one label's state, `K - 1`."""
        return self.basis.shape[2]

    def coordinates(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Each label's state in the basis: int `[B, n]` to float64 `[B, n, K - 1]`."""
        return self.basis[np.arange(len(self.states)), labels]


def _contrasts(states: int) -> NDArray[np.float64]:
    """Helmert contrasts `[states, states - 1]`: column k sets state k + 1 against the ones before it."""
    columns = np.zeros((states, states - 1))
    for column in range(states - 1):
        columns[: column + 1, column] = -1
        columns[column + 1, column] = column + 1
    return columns / np.linalg.norm(columns, axis=0) if states > 1 else columns
