"""A multilayer perceptron that scores every item by its own features alone."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


class ItemNetwork(tf.keras.Model):
    """Dense layers with ReLU, each with dropout before the next, and one unit for the score.

    Args:
        hidden_sizes: units of each hidden layer.
        dropout: share of hidden units dropped while training.
        seed: fixes the initial weights and what is dropped.
    """

    def __init__(self, hidden_sizes: Sequence[int], dropout: float, seed: int) -> None:
        super().__init__()
        initial = (tf.keras.initializers.GlorotUniform(seed + index) for index in range(len(hidden_sizes) + 1))
        self.hidden = [tf.keras.layers.Dense(size, "relu", kernel_initializer=next(initial)) for size in hidden_sizes]
        self.dropouts = [tf.keras.layers.Dropout(dropout, seed=seed + index) for index in range(len(hidden_sizes))]
        self.out = tf.keras.layers.Dense(1, kernel_initializer=next(initial))

    def call(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits float `[batch, list_size]` of `features` float `[batch, list_size, features]`."""
        values = features
        for layer, dropout in zip(self.hidden, self.dropouts, strict=True):
            values = dropout(layer(values), training=training)
        return self.out(values)[:, :, 0]
