"""How near each candidate lies to the items placed so far: what a user with no use for another of a kind reacts to."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# In units of a list's root mean squared distance between two items.
FIRST_REACHES, FIRST_STEEPNESS = (0.6, 1.2), 8.0
TINY = 1e-6


class Nearness(tf.keras.layers.Layer):
    """Soft counts of "an item as near as this was placed", at several learned distances.

    An extension of the paper's decoder, whose only memory of the placed items is its LSTM state. With
    coordinates `z_i = scale * x_i`, divided by the list's root mean squared distance between two items, the
    nearness of item i at level r is `max_{k placed} sigmoid(steepness_r (reach_r - |z_i - z_k|))`; scales,
    reaches and steepnesses are learned.

    Args:
        levels: number of distances, >= 0; 0: none, and nothing is computed.
        feature_count: m, features of an item.
        dtype: `float32` or `float64`.
    """

    def __init__(self, levels: int, feature_count: int, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.levels = levels
        if levels:
            reaches = tf.keras.initializers.Constant(np.linspace(*FIRST_REACHES, levels))
            steepness = tf.keras.initializers.Constant(np.log(FIRST_STEEPNESS))
            self.feature_scale = self.add_weight(name="feature_scale", shape=(feature_count,), initializer="ones")
            self.reach = self.add_weight(name="reach", shape=(levels,), initializer=reaches)
            self.log_steepness = self.add_weight(name="log_steepness", shape=(levels,), initializer=steepness)

    def coordinates(self, features: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Where the items lie, float `[batch, list_size, features]`, arbitrary at padding; without levels
        `[batch, list_size, 0]`.

        Args:
            features: float `[batch, list_size, features]`.
            mask: bool `[batch, list_size]`, true where an item stands.
        """
        if not self.levels:
            return features[:, :, :0]
        scaled = features * self.feature_scale
        present = tf.cast(mask, scaled.dtype)[:, :, tf.newaxis]
        size = tf.maximum(tf.reduce_sum(present, axis=1, keepdims=True), 1)
        mean = tf.reduce_sum(scaled * present, axis=1, keepdims=True) / size
        variance = tf.reduce_sum((scaled - mean) ** 2 * present, axis=[1, 2], keepdims=True) / size
        return scaled / tf.sqrt(2 * variance + TINY)

    def of_nothing_placed(self, coordinates: tf.Tensor) -> tf.Tensor:
        """Zeros, float `[batch, list_size, levels]`."""
        return tf.zeros(tf.concat([tf.shape(coordinates)[:2], [self.levels]], axis=0), coordinates.dtype)

    def after(self, coordinates: tf.Tensor, nearness: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """The nearness once `chosen` (int64 `[batch]`, -1 for none) stands as well, `[batch, list_size, levels]`."""
        if not self.levels:
            return nearness
        placed = tf.gather(coordinates, tf.maximum(chosen, 0), batch_dims=1)
        distance = tf.sqrt(tf.reduce_sum((coordinates - placed[:, tf.newaxis, :]) ** 2, axis=2, keepdims=True) + TINY)
        near = tf.sigmoid((self.reach - distance) * tf.exp(self.log_steepness))
        return tf.where((chosen >= 0)[:, tf.newaxis, tf.newaxis], tf.maximum(nearness, near), nearness)
