"""Weights that read standardised features, moved from one standardisation to another without changing what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.standardisation import Standardisation


@dataclass(frozen=True)
class MovedInputs:
    """How the old standardised features follow from the new ones: `z_old = ratio * z_new + shift`, column by column.

    A column that was constant has taught its weights nothing about its unit: there the weights read the new
    standardised column as they are.

    Attributes:
        ratio: float64 `[features]`, > 0, the new scale in units of the old one.
        shift: float64 `[features]`, how far the mean has moved, in units of the old scale.
    """

    ratio: NDArray[np.float64]
    shift: NDArray[np.float64]

    @classmethod
    def between(cls, before: Standardisation, now: Standardisation, was_constant: NDArray[np.bool_]) -> MovedInputs:
        """From the constants of `before` to those of `now`, which have the same columns and the same `log1p`.

        `was_constant`, bool `[features]`, says of which columns the earlier data had one value alone.
        """
        unit = before.scale.astype(np.float64)
        ratio = np.where(was_constant, 1.0, now.scale / unit)
        shift = np.where(was_constant, 0.0, (now.mean.astype(np.float64) - before.mean) / unit)
        return cls(ratio, shift)

    def kernel(self, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        """A kernel `[features, units]` on the new features."""
        return (kernel * self.ratio[:, np.newaxis]).astype(np.float32)

    def bias(self, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a kernel `[features, units]` leaves to the bias, `[units]`, when it is moved."""
        return (self.shift @ kernel.astype(np.float64)).astype(np.float32)

    def item(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Old standardised features of one item, `[features]`, as new ones."""
        return ((features - self.shift) / self.ratio).astype(np.float32)

    def axis_scale(self, scale: NDArray[np.float32]) -> NDArray[np.float32]:
        """Factors of columns, `[features]`, of which only differences between items matter."""
        return (scale * self.ratio).astype(np.float32)
