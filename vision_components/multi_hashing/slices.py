"""How the layers of a model share a pool: one after the other, each takes the weights that it needs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError


class WeightPool(tf.keras.layers.Layer):
    """A number of weights that layers take slices of, in order.

    Computed in float32 whatever the model's precision: a sum of hundreds of products loses too much in half of it.

    Args:
        num_weights: that can be taken in all.
        name: of the layer.
    """

    def __init__(self, num_weights: int, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        if num_weights < 1:
            raise DataError(f"num_weights {num_weights}; give 1 or more")
        self.num_weights, self.taken = int(num_weights), 0

    def take(self, size: int, owner: str) -> int:
        """Reserve the next `size` weights; returns the offset of the first.

        Raises:
            DataError: fewer are left.
        """
        left = self.num_weights - self.taken
        if size > left:
            raise DataError(
                f"{owner} needs {size} weights, and {left} of {self.num_weights} are left; make a larger pool"
            )
        self.taken += size
        return self.taken - size

    @abstractmethod
    def weights_at(self, offset: int, size: int) -> tf.Tensor:
        """The weights from `offset` on, float32 `[size]`, about normal with standard deviation 1 at first."""

    def get_config(self) -> dict[str, Any]:
        """What the pool is made from; layers keep their own offsets."""
        return {"num_weights": self.num_weights, "name": self.name}
