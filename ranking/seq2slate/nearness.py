"""How near each candidate lies to the items placed so far: what a user with no use for another of a kind reacts to."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# In units of the list's median distance between two items.
FIRST_REACHES, FIRST_STEEPNESS = (0.8, 1.2), 20.0
TINY, FAR = 1e-6, 1e30


class Nearness(tf.keras.layers.Layer):
    """Soft counts of "an item as near as this was placed", at several learned distances.

    An extension of the paper's decoder, whose only memory of the placed items is its LSTM state. With
    coordinates `z_i = scale * x_i`, divided by the median distance between two items of the list, the nearness
    of item i at level r is `max_{k placed} sigmoid(steepness_r (reach_r - |z_i - z_k|))`; scales, reaches and
    steepnesses are learned.

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
        return scaled / tf.sqrt(median_squared_distance(scaled, mask)[:, tf.newaxis, tf.newaxis] + TINY)

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


def median_squared_distance(items: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The lower median, over pairs of a list's items, of the squared Euclidean distance, float `[batch]`.

    Args:
        items: float `[batch, list_size, features]`.
        mask: bool `[batch, list_size]`; a list of fewer than two items gets `FAR`.
    """
    present = tf.cast(mask, items.dtype)[:, :, tf.newaxis]
    size = tf.reduce_sum(present, axis=1, keepdims=True)
    # Centred, because the difference of large squared norms would lose the digits of small distances.
    centred = (items - tf.reduce_sum(items * present, axis=1, keepdims=True) / tf.maximum(size, 1)) * present
    norms = tf.reduce_sum(centred**2, axis=2)
    products = tf.matmul(centred, centred, transpose_b=True)
    squared = norms[:, :, tf.newaxis] + norms[:, tf.newaxis, :] - 2 * products
    counted = mask[:, :, tf.newaxis] & mask[:, tf.newaxis, :] & ~tf.eye(tf.shape(mask)[1], dtype=tf.bool)
    squared = tf.where(counted, tf.maximum(squared, 0), tf.cast(FAR, squared.dtype))
    ascending = tf.sort(tf.reshape(squared, [tf.shape(squared)[0], -1]), axis=1)
    # Every pair stands there twice: the last of the first half is the lower median.
    half = tf.reduce_sum(tf.cast(counted, tf.int32), axis=[1, 2]) // 2
    return tf.gather(ascending, tf.maximum(half - 1, 0), batch_dims=1)
