"""What of a model's size hashing changes, counted."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from vision_components.multi_hashing.models import pool_of


@dataclass(frozen=True)
class ModelSizes:
    """Numbers that a hashed model is described by.

    Attributes:
        weights: N, all hashed weights, as the plain model would have them.
        pool: variables of the pool.
        scales: learnable factors of the hashed weights.
        unhashed: other trainable variables: batch normalisation, biases, excluded layers.
    """

    weights: int
    pool: int
    scales: int
    unhashed: int

    @property
    def trainable(self) -> int:
        """All that an optimizer keeps slots for, and that a checkpoint of trained weights holds."""
        return self.pool + self.scales + self.unhashed


def sizes_of(model: tf.keras.Model) -> ModelSizes:
    """Sizes of a hashed model.

    Raises:
        DataError: the model is not hashed.
    """
    pool = pool_of(model)
    trainable = sum(int(tf.size(weight)) for weight in model.trainable_weights)
    in_pool = sum(int(tf.size(weight)) for weight in pool.trainable_weights)
    scales = sum(weight.shape.rank == 0 and "_scale" in weight.name for weight in model.trainable_weights)
    return ModelSizes(pool.num_weights, in_pool, scales, trainable - in_pool - scales)
