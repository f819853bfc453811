"""The parameters of a pairwise label model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Weights:
    """`w`: unary weights and one group an edge, in the coordinates of a `LabelSpace`.

    Attributes:
        unary: float64 `[d, n, K - 1]`, the last row of which belongs to the constant feature.
        pair: float64 `[f, E, (K - 1)^2]`; `f` features of the input scale the tables, the first of them 1.
    """

    unary: NDArray[np.float64]
    pair: NDArray[np.float64]

    def group_norms(self) -> NDArray[np.float64]:
        """`||w_ij||`, float64 `[E]`."""
        return np.asarray(np.sqrt((self.pair**2).sum(axis=(0, 2))))

    def squared_norm(self) -> float:
        """`||w||^2`."""
        return float((self.unary**2).sum() + (self.pair**2).sum())
