"""Feature standardisation: the arithmetic that training and serving must share to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

SMALLEST_DEVIATION = 1e-12


@dataclass(frozen=True)
class Standardisation:
    """`(g(x) - mean) / scale` a column, where `g` is the identity or the signed `log1p`.

    Attributes:
        mean: float32 `[features]`, mean of `g(x)` on the training items.
        scale: float32 `[features]`, > 0, standard deviation of `g(x)`; 1 where the column is constant.
        log1p: whether `g(x) = sign(x) * log(1 + |x|)`, for heavy-tailed features.

    Raises:
        DataError: a mean is not finite, or a scale is not finite and above 0.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    log1p: bool = False

    def __post_init__(self) -> None:
        good = np.isfinite(self.mean) & np.isfinite(self.scale) & (self.scale > 0)
        if not good.all():
            column = int(np.argmin(good))
            raise DataError(
                f"standardisation: column {column} has mean {self.mean[column]} and scale {self.scale[column]}; "
                "give finite means and scales above 0 (1 for a constant column)"
            )

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardised features, float32 `[..., features]`, in NumPy."""
        x = np.asarray(features, np.float32)
        if self.log1p:
            x = np.sign(x) * np.log1p(np.abs(x))
        return ((x - self.mean) / self.scale).astype(np.float32)

    def apply_tensor(self, features: tf.Tensor) -> tf.Tensor:
        """The same as a TensorFlow expression, for graphs that are exported with the model."""
        import tensorflow as tf

        x = tf.cast(features, tf.float32)
        if self.log1p:
            x = tf.sign(x) * tf.math.log1p(tf.abs(x))
        return (x - tf.constant(self.mean)) / tf.constant(self.scale)

    @classmethod
    def fit(cls, features: NDArray[np.float32], log1p: bool = False) -> Standardisation:
        """Mean and standard deviation of the columns of `features` `[items, features]`.

        Raises:
            DataError: there is no item, or a feature is not finite.
        """
        x = np.asarray(features, np.float64)
        if len(x) == 0:
            raise DataError("features: no items to standardise by; give at least one")
        if not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise DataError(f"features: row {row}, column {column} is {x[row, column]}; replace or drop such values")
        if log1p:
            x = np.sign(x) * np.log1p(np.abs(x))
        deviation = x.std(axis=0)
        # Rounding alone gives a constant column of large numbers some deviation: its ends tell it for sure.
        varies = (x.max(axis=0) > x.min(axis=0)) & (deviation > SMALLEST_DEVIATION)
        scale = np.where(varies, deviation, 1.0)
        return cls(x.mean(axis=0).astype(np.float32), scale.astype(np.float32), log1p)
