"""Features at one scale, so that one ridge suits any data; the scaling is folded into the fitted weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


@dataclass(frozen=True)
class FeatureScaling:
    """`(x - shift) * scale`, after which rows have a mean squared length of 1.

    Attributes:
        shift: float64 `[d]`; 0 for sparse features, which stay sparse.
        scale: float64 `[d]`; 0 for a dense feature that is constant.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64] | csr_array) -> FeatureScaling:
        """Dense features are standardised one by one; sparse ones share one factor."""
        width = features.shape[1]
        if isinstance(features, csr_array):
            length = float(features.multiply(features).sum()) / features.shape[0]
            return cls(np.zeros(width), np.full(width, 1 / np.sqrt(length) if length > 0 else 1.0))
        shift, spread = features.mean(axis=0), features.std(axis=0)
        varies = spread > 1e-12 * np.maximum(1, np.abs(shift))
        count = max(1, int(varies.sum()))
        return cls(shift, np.where(varies, 1 / np.where(varies, spread * np.sqrt(count), 1), 0.0))

    def apply(self, features: NDArray[np.float64] | csr_array) -> NDArray[np.float64] | csr_array:
        """Scale features `[B, d]`."""
        if isinstance(features, csr_array):
            return csr_array(features * self.scale[0]) if features.shape[1] else features
        return (features - self.shift) * self.scale
