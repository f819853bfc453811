"""Self-attention over a list, then one score an item."""

from __future__ import annotations

import itertools
import math

import tensorflow as tf

from ranking.seq2slate.encoders import sinusoids

MASKED_SCORE = -1e9
EPSILON = 1e-5


class AttentionNetwork(tf.keras.Model):
    """A pre-norm transformer encoder with learned embeddings of the base rank, sinusoids at first, and a linear score.

    Args:
        hidden_size: width, a multiple of `heads`.
        layers: blocks.
        heads: attention heads.
        positions: embedded ranks; later ranks share the last embedding; 0: none.
        dropout: share of units dropped after each reading of the features, attention and feed-forward net.
        seed: fixes the initial weights and what is dropped.
    """

    def __init__(self, hidden_size: int, layers: int, heads: int, positions: int, dropout: float, seed: int) -> None:
        super().__init__()
        layer = _Layers(dropout, seed)
        self.read_in, self.input_dropout = layer.dense(hidden_size), layer.dropout()
        self.blocks = [_Block(layer, hidden_size, heads) for _ in range(layers)]
        self.norm, self.out = layer.norm(), layer.dense(1)
        self.ranks = None
        if positions:
            # Sinusoids rather than noise: ranks that no training list reaches resemble their neighbours.
            self.ranks = self.add_weight("ranks", [positions, hidden_size], initializer=_sinusoids)

    def call(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits float `[batch, list_size]` of `features` float `[batch, list_size, features]`."""
        items = self.read_in(features)
        if self.ranks is not None:
            rank = tf.minimum(tf.range(tf.shape(mask)[1]), self.ranks.shape[0] - 1)
            items += tf.gather(self.ranks, rank)
        items = self.input_dropout(items, training=training)
        for block in self.blocks:
            items = block(items, mask, training)
        return self.out(self.norm(items))[:, :, 0]


def _sinusoids(shape: tf.TensorShape, dtype: tf.DType) -> tf.Tensor:
    return sinusoids(tf.constant(shape[0]), shape[1], dtype)


class _Layers:
    """Makes layers, each with a seed of its own."""

    def __init__(self, dropout: float, seed: int) -> None:
        self._share, self._seeds = dropout, itertools.count(seed)

    def dense(self, units: int, activation: str | None = None) -> tf.keras.layers.Dense:
        initial = tf.keras.initializers.GlorotUniform(next(self._seeds))
        return tf.keras.layers.Dense(units, activation, kernel_initializer=initial)

    def dropout(self) -> tf.keras.layers.Dropout:
        return tf.keras.layers.Dropout(self._share, seed=next(self._seeds))

    def norm(self) -> tf.keras.layers.LayerNormalization:
        return tf.keras.layers.LayerNormalization(epsilon=EPSILON)


class _Block(tf.keras.layers.Layer):
    """Self-attention and a feed-forward net of twice the width, each added to what it reads."""

    def __init__(self, layer: _Layers, hidden_size: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_size = heads, hidden_size // heads
        self.query, self.key, self.value, self.mix = (layer.dense(hidden_size) for _ in range(4))
        self.widen, self.narrow = layer.dense(2 * hidden_size, "relu"), layer.dense(hidden_size)
        self.attention_norm, self.feed_forward_norm = layer.norm(), layer.norm()
        self.attention_dropout, self.feed_forward_dropout = layer.dropout(), layer.dropout()

    def call(self, items: tf.Tensor, mask: tf.Tensor, training: bool) -> tf.Tensor:
        read = self.attention_norm(items)
        query, key, value = (self._by_head(layer(read)) for layer in (self.query, self.key, self.value))
        scores = tf.matmul(query, key, transpose_b=True) / math.sqrt(self.head_size)
        scores = tf.where(mask[:, tf.newaxis, tf.newaxis, :], scores, MASKED_SCORE)
        attended = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), [0, 2, 1, 3])
        items += self.attention_dropout(self.mix(tf.reshape(attended, tf.shape(items))), training=training)
        passed = self.narrow(self.widen(self.feed_forward_norm(items)))
        return items + self.feed_forward_dropout(passed, training=training)

    def _by_head(self, values: tf.Tensor) -> tf.Tensor:
        """`[batch, list_size, width]` as `[batch, heads, list_size, width / heads]`."""
        shape = tf.shape(values)
        split = tf.reshape(values, [shape[0], shape[1], self.heads, self.head_size])
        return tf.transpose(split, [0, 2, 1, 3])
