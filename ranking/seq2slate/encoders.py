"""Encoders: what turns a list in base order into item codes and the decoder's first state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ranking.seq2slate.recurrence import lstm_along

MASKED_SCORE = -1e9
WAVELENGTH = 10_000.0


class Codes(NamedTuple):
    """An encoded batch.

    Attributes:
        items: float `[batch, list_size, rho]`, e_i; arbitrary at padding.
        state: two floats `[batch, rho]`, the decoder's first hidden and cell state.
    """

    items: tf.Tensor
    state: list[tf.Tensor]


class LstmEncoder(tf.keras.layers.Layer):
    """The paper's encoder: one LSTM from the first item to the last; its last state starts the decoder."""

    def __init__(self, hidden_size: int, kernel: tf.keras.initializers.Initializer,
                 recurrent: tf.keras.initializers.Initializer, dtype: str) -> None:  # fmt: skip
        super().__init__(dtype=dtype)
        self.lstm = tf.keras.layers.LSTM(
            hidden_size, return_sequences=True, return_state=True,
            kernel_initializer=kernel, recurrent_initializer=recurrent, dtype=dtype,
        )  # fmt: skip

    def call(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> Codes:
        """Codes of `features` float `[batch, list_size, features]` where bool `mask` holds.

        With `training` the same values come with a cheaper gradient, which stops at `features`.
        """
        if training:
            return self._along(features, mask)
        items, hidden, cell = self.lstm(features, mask=mask)
        return Codes(items, [hidden, cell])

    def _along(self, features: tf.Tensor, mask: tf.Tensor) -> Codes:
        start = [tf.zeros([tf.shape(mask)[0], self.lstm.units], features.dtype)] * 2
        by_place, present = tf.transpose(features, [1, 0, 2]), tf.transpose(mask)[:, :, tf.newaxis]
        items, state = lstm_along(by_place, self.lstm.trainable_variables, start, present)
        return Codes(tf.transpose(items, [1, 0, 2]), state)


class TransformerEncoder(tf.keras.layers.Layer):
    """A pre-norm transformer over the items; the mean of its codes, projected, starts the decoder.

    With `positions`, sinusoidal codes of the base rank are added to the items; without them the encoder is a
    function of the set and the base order is lost.

    Source: "Attention is all you need", arXiv 1706.03762; pre-norm as in arXiv 2002.04745.
    """

    def __init__(self, hidden_size: int, layers: int, heads: int, positions: bool, seed: int, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.hidden_size, self.heads, self.positions = hidden_size, heads, positions
        seeds = iter(range(seed, seed + 8 * layers + 8))

        def dense(units: int, activation: str | None = None) -> tf.keras.layers.Dense:
            initial = tf.keras.initializers.GlorotUniform(next(seeds))
            return tf.keras.layers.Dense(units, activation, kernel_initializer=initial, dtype=dtype)

        self.read_in = dense(hidden_size)
        self.blocks = [_Block(dense, hidden_size, heads, dtype) for _ in range(layers)]
        self.norm = tf.keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype)
        self.hidden_state, self.cell_state = dense(hidden_size, "tanh"), dense(hidden_size)

    def call(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> Codes:
        """Codes of `features` float `[batch, list_size, features]` where bool `mask` holds, training or not."""
        items = self.read_in(features)
        if self.positions:
            items += sinusoids(tf.shape(mask)[1], self.hidden_size, items.dtype)
        for block in self.blocks:
            items = block(items, mask)
        items = self.norm(items)
        present = tf.cast(mask, items.dtype)[:, :, tf.newaxis]
        size = tf.maximum(tf.reduce_sum(present, axis=1), 1)
        mean = tf.reduce_sum(items * present, axis=1) / size
        return Codes(items, [self.hidden_state(mean), self.cell_state(mean)])


def sinusoids(list_size: tf.Tensor, width: int, dtype: tf.DType) -> tf.Tensor:
    """Position codes float `[list_size, width]`: sines of falling frequency, then as many cosines."""
    angles = tf.cast(tf.range(list_size), dtype)[:, tf.newaxis] * tf.constant(frequencies(width), dtype)
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=1)[:, :width]


def frequencies(width: int) -> list[float]:
    """Radians a rank of each sine and cosine, `[ceil(width / 2)]`, from 1 down to 1 / `WAVELENGTH`."""
    half = math.ceil(width / 2)
    return [WAVELENGTH ** (-index / max(half - 1, 1)) for index in range(half)]


class _Block(tf.keras.layers.Layer):
    """Self-attention and a feed-forward net of twice the width, each added to what it reads."""

    def __init__(self, dense: Callable[..., tf.keras.layers.Dense], hidden_size: int, heads: int, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.heads, self.head_size = heads, hidden_size // heads
        self.query, self.key, self.value, self.out = (dense(hidden_size) for _ in range(4))
        self.widen, self.narrow = dense(2 * hidden_size, "relu"), dense(hidden_size)
        self.attention_norm = tf.keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype)
        self.feed_forward_norm = tf.keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype)

    def call(self, items: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        read = self.attention_norm(items)
        query, key, value = (self._by_head(layer(read)) for layer in (self.query, self.key, self.value))
        scores = tf.matmul(query, key, transpose_b=True) / math.sqrt(self.head_size)
        scores = tf.where(mask[:, tf.newaxis, tf.newaxis, :], scores, tf.cast(MASKED_SCORE, scores.dtype))
        mixed = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), [0, 2, 1, 3])
        items += self.out(tf.reshape(mixed, tf.shape(items)))
        return items + self.narrow(self.widen(self.feed_forward_norm(items)))

    def _by_head(self, values: tf.Tensor) -> tf.Tensor:
        """`[batch, list_size, rho]` as `[batch, heads, list_size, rho / heads]`."""
        shape = tf.shape(values)
        split = tf.reshape(values, [shape[0], shape[1], self.heads, self.head_size])
        return tf.transpose(split, [0, 2, 1, 3])
