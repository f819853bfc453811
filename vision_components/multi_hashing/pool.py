"""The pool of structured multi-hashing: a product of two thin matrices, read row by row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.multi_hashing.slices import WeightPool

Distribution = Literal["normal", "truncated_normal", "uniform"]
# Standard deviation of a normal cut off at two of them, which TensorFlow does not make up for.
TRUNCATED = 0.87962566103423978


@dataclass(frozen=True)
class PoolShape:
    """Sizes of U, `[rows, hashes]`, and V, `[hashes, columns]`.

    Attributes:
        rows, columns: of the product, which has room for all weights and no row that none is in.
        hashes: M, the rank of the product.
    """

    rows: int
    columns: int
    hashes: int

    @property
    def variables(self) -> int:
        """Trainable numbers in U and V."""
        return self.hashes * (self.rows + self.columns)


def pool_shape(num_weights: int, budget: int) -> PoolShape:
    """The shape with the most hashes within a budget: `M = floor(T / (rows + columns))`.

    With `n = ceil(sqrt(N))` columns as in section 3 of the paper, but only as many rows as are needed: of n rows the
    last ones may hold no weight, and their part of U would never be trained.

    Args:
        num_weights: N, all weights that are hashed.
        budget: T, variables that U and V may have together.

    Raises:
        DataError: the budget has no room for one hash; the message says for how much.
    """
    if num_weights < 1:
        raise DataError(f"num_weights {num_weights}; give 1 or more")
    columns = math.isqrt(num_weights - 1) + 1
    rows = -(-num_weights // columns)
    hashes = budget // (rows + columns)
    if hashes < 1:
        raise DataError(f"budget {budget} for {num_weights} weights; give {rows + columns} variables or more")
    return PoolShape(rows, columns, hashes)


@tf.keras.saving.register_keras_serializable("seriatim")
class HashPool(WeightPool):
    """`weights = (U V)` row by row (section 3): each is a sum of M products, 2 M hashes into the variables.

    Args:
        num_weights: N.
        budget: T, an upper bound of the variables.
        distribution: of U and V, such that weights have a standard deviation of 1; those of `normal` have an excess
            kurtosis of 6 / M.
        seed: of U and V.
        name: of the layer.

    Raises:
        DataError: the budget has no room for one hash, or there is no such distribution.
    """

    def __init__(
        self,
        num_weights: int,
        budget: int,
        distribution: Distribution = "normal",
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(num_weights, name)
        self.shape, self.budget = pool_shape(num_weights, budget), int(budget)
        self.distribution, self.seed = distribution, seed
        spread = self.shape.hashes**-0.25
        seeds = (None, None) if seed is None else (2 * seed, 2 * seed + 1)
        initial = [_initializer(distribution, spread, one) for one in seeds]
        self.left = self.add_weight("u", (self.shape.rows, self.shape.hashes), initializer=initial[0])
        self.right = self.add_weight("v", (self.shape.hashes, self.shape.columns), initializer=initial[1])
        self.built = True

    def weights_at(self, offset: int, size: int) -> tf.Tensor:
        """Only the rows of the product that the slice lies in are computed."""
        columns = self.shape.columns
        first, end = offset // columns, -(-(offset + size) // columns)
        rows = tf.reshape(self.left[first:end] @ self.right, [-1])
        return rows[offset - first * columns :][:size]

    def get_config(self) -> dict[str, Any]:
        """What the pool is made from."""
        own = {"budget": self.budget, "distribution": self.distribution, "seed": self.seed}
        return {**super().get_config(), **own}


def _initializer(distribution: Distribution, spread: float, seed: int | None) -> tf.keras.initializers.Initializer:
    if distribution == "normal":
        return tf.keras.initializers.RandomNormal(stddev=spread, seed=seed)
    if distribution == "truncated_normal":
        return tf.keras.initializers.TruncatedNormal(stddev=spread / TRUNCATED, seed=seed)
    if distribution == "uniform":
        bound = math.sqrt(3) * spread
        return tf.keras.initializers.RandomUniform(-bound, bound, seed=seed)
    raise DataError(f"distribution {distribution!r}; give normal, truncated_normal or uniform")
