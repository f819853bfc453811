"""The features of a training set with their constant column; sparse ones stay sparse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, issparse


@dataclass(frozen=True)
class DesignMatrix:
    """Rows of features, the last of which is the constant 1.

    Attributes:
        values: float64 `[N, d + 1]`, dense or CSR.
        squared_norms: float64 `[N]`.
    """

    values: NDArray[np.float64] | csr_array
    squared_norms: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64] | csr_array) -> DesignMatrix:
        """Features `[N, d]`, finite, with the constant column added."""
        ones = np.ones((features.shape[0], 1))
        if issparse(features):
            values = csr_array(hstack([features, csr_array(ones)], format="csr"))
            return cls(values, np.asarray(values.multiply(values).sum(axis=1)).ravel())
        dense = np.concatenate([features, ones], axis=1)
        return cls(dense, (dense**2).sum(axis=1))

    def __len__(self) -> int:
        """Number of rows."""
        return self.values.shape[0]

    @property
    def width(self) -> int:
        """Number of columns, the constant among them."""
        return self.values.shape[1]

    def times(self, weights: NDArray[np.float64], rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """`values[rows] @ weights`, `[rows, q]`, of weights `[d + 1, q]`."""
        return np.asarray(self.values[rows] @ weights)

    def row(self, index: int) -> tuple[NDArray[np.int64] | slice, NDArray[np.float64]]:
        """Where a row is not 0, and its values there."""
        if isinstance(self.values, np.ndarray):
            return slice(None), self.values[index]
        part = slice(self.values.indptr[index], self.values.indptr[index + 1])
        return self.values.indices[part], self.values.data[part]
