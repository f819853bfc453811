"""Logits to start from: the base order, and a direct dislike of what lies near the placed items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

FIRST_ORDER_WEIGHT = 1.0
# Of what lies near: minus the sum of b over the levels, where a is 1.
FIRST_DISLIKES = (0.0, 1.0, 2.0, 4.0)
# The optimiser moves all weights by steps of one size; these few, which say most, are to move faster.
FASTER = 10.0


class StartingLogits(tf.keras.layers.Layer):
    """`-a log(rank_i) + b . n_i`, added to the pointer's logits; a starts at 1, b at 0 or as `start_near` chooses.

    An extension of the paper's decoder, which has to learn the base order from the clicks before it can
    improve on it: with these terms it begins there, which takes fewer lists to get right.

    Args:
        levels: of the nearness n_i; without any there is no b.
        dtype: `float32` or `float64`.
    """

    def __init__(self, levels: int, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.levels = levels
        start = tf.keras.initializers.Constant(FIRST_ORDER_WEIGHT / FASTER)
        self.order = self.add_weight(name="order", shape=(), initializer=start)
        if levels:
            self.near = self.add_weight(name="near", shape=(levels,), initializer="zeros")

    def by_rank(self, list_size: tf.Tensor) -> tf.Tensor:
        """`-a log(rank_i)` of the items in base order, float `[list_size]`."""
        rank = tf.cast(tf.range(1, list_size + 1), self.order.dtype)
        return -FASTER * self.order * tf.math.log(rank)

    def by_nearness(self, nearness: tf.Tensor) -> tf.Tensor:
        """`b . n_i`, float `[batch, list_size]`, for nearness `[batch, list_size, levels]`."""
        return FASTER * tf.linalg.matvec(nearness, self.near)

    def start_near(self, quality: Callable[[], float]) -> None:
        """Give b the one of `FIRST_DISLIKES`, spread evenly over the levels, whose `quality` is highest.

        Before any training the model then ranks as maximal marginal relevance does with its trade-off chosen.
        """
        if not self.levels:
            return
        starts = [np.full(self.levels, -dislike / (FASTER * self.levels)) for dislike in FIRST_DISLIKES]

        def judged(start: np.ndarray) -> float:
            self.near.assign(start)
            return quality()

        self.near.assign(max(starts, key=judged))
