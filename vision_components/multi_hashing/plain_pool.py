"""The pool of plain hashing, to compare with (Chen et al., 2015, as in section 4 of the paper)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from seriatim_errors import DataError
from vision_components.multi_hashing.slices import WeightPool


@tf.keras.saving.register_keras_serializable("seriatim")
class PlainHashPool(WeightPool):
    """`weight i = sum over k of pool_k[h_k(i)]`: every weight picks one variable of each of a few pools, by chance.

    The choices h follow from the seed and are not kept with the variables. They cost a random access a weight and
    hash, where the structured pool multiplies matrices.

    Args:
        num_weights: N.
        budget: T, variables of all pools together.
        hashes: number of pools, 1 to T.
        seed: of choices and variables.
        name: of the layer.

    Raises:
        DataError: the budget has no room for a variable a pool.
    """

    def __init__(self, num_weights: int, budget: int, hashes: int = 1, seed: int = 0, name: str | None = None) -> None:
        super().__init__(num_weights, name)
        if not 1 <= hashes <= budget:
            raise DataError(f"hashes {hashes} in a budget of {budget}; give 1 or more, and a variable for each")
        self.budget, self.hashes, self.seed = int(budget), int(hashes), int(seed)
        size = self.budget // self.hashes
        # Kept outside of Keras, which would save them.
        self._choices = np.random.default_rng(seed).integers(size, size=(hashes, num_weights), dtype=np.int32)
        self._choices += size * np.arange(hashes, dtype=np.int32)[:, np.newaxis]
        initial = tf.keras.initializers.RandomNormal(stddev=hashes**-0.5, seed=seed)
        self.pool = self.add_weight("pool", (size * hashes,), initializer=initial)
        self.built = True

    def weights_at(self, offset: int, size: int) -> tf.Tensor:
        """Gather the chosen variables and add them up."""
        return tf.reduce_sum(tf.gather(self.pool, self._choices[:, offset : offset + size]), axis=0)

    def get_config(self) -> dict[str, Any]:
        """What the pool is made from."""
        return {**super().get_config(), "budget": self.budget, "hashes": self.hashes, "seed": self.seed}
