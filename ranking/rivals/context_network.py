"""The network of DLCM."""

from __future__ import annotations

import tensorflow as tf


class ContextNetwork(tf.keras.Model):
    """A GRU from the last item to the first, then each of its outputs scored against its final state.

    An item enters the GRU as its features and their abstraction by two ELU layers. With the GRU's output o_i at
    the item and its final state s, the score is `v . (tanh(W s + b) o_i)`, where `W s + b` is a matrix of
    `heads` rows. Reading from the end lets the top of the base order shape the final state most.

    Args:
        hidden_size: alpha, width of GRU and ELU layers.
        heads: k, rows of that matrix.
        dropout: share of the GRU's input dropped while training.
        seed: fixes the initial weights and what is dropped.

    Source: Ai et al., SIGIR 2018, section 4.
    """

    def __init__(self, hidden_size: int, heads: int, dropout: float, seed: int) -> None:
        super().__init__()
        self.hidden_size, self.heads = hidden_size, heads

        def initial(index: int) -> tf.keras.initializers.Initializer:
            return tf.keras.initializers.GlorotUniform(seed + index)

        self.abstraction = [
            tf.keras.layers.Dense(hidden_size, "elu", kernel_initializer=initial(index)) for index in range(2)
        ]
        self.input_dropout = tf.keras.layers.Dropout(dropout, seed=seed)
        recurrent = tf.keras.initializers.Orthogonal(seed=seed + 3)
        cell = tf.keras.layers.GRUCell(hidden_size, kernel_initializer=initial(2), recurrent_initializer=recurrent)
        # Of a cell rather than the ready layer, which takes three times as long to trace.
        self.gru = tf.keras.layers.RNN(cell, return_sequences=True, return_state=True, go_backwards=True)
        self.local = tf.keras.layers.Dense(heads * hidden_size, "tanh", kernel_initializer=initial(4))
        self.out = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer=initial(5))

    def call(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits float `[batch, list_size]` of `features` float `[batch, list_size, features]`."""
        abstract = features
        for layer in self.abstraction:
            abstract = layer(abstract)
        items = self.input_dropout(tf.concat([features, abstract], axis=-1), training=training)
        outputs, final = self.gru(items, mask=mask)
        outputs = tf.reverse(outputs, axis=[1])
        local = tf.reshape(self.local(final), [-1, self.heads, self.hidden_size])
        return self.out(tf.matmul(outputs, local, transpose_b=True))[:, :, 0]
