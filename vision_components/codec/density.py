"""How probable quantised latents are: a learned density for hyper-latents, normal distributions for latents."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vision_components.codec.gdn import at_least

# Of the normal distributions of latents: spaced evenly in their logarithm (arXiv 1802.01436, and TFC's models).
SCALE_COUNT, SMALLEST_SCALE, LARGEST_SCALE = 64, 0.11, 256.0
SCALES = np.geomspace(SMALLEST_SCALE, LARGEST_SCALE, SCALE_COUNT)
LEAST_LIKELIHOOD = 1e-9
START_SPREAD = 10.0


@tf.keras.saving.register_keras_serializable("seriatim")
class FactorisedDensity(tf.keras.layers.Layer):
    """A density of its own for every channel, convolved with a uniform distribution of width 1.

    The cumulative of a channel is a small network with positive weights, so that it only rises (Balle et al., arXiv
    1802.01436, appendix 6.1).

    Args:
        widths: of the inner layers of the cumulative.
    """

    def __init__(self, widths: Sequence[int] = (3, 3, 3), **settings: Any) -> None:
        super().__init__(**settings)
        self.widths = tuple(widths)

    def build(self, input_shape: Any) -> None:
        """Variables for as many channels as the input has."""
        channels, sizes = int(input_shape[-1]), (1, *self.widths, 1)
        spread = START_SPREAD ** (1 / (len(sizes) - 1))
        self._layers_of_weights = []
        for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            start = math.log(math.expm1(1 / spread / outputs))
            matrix = self.add_weight(
                f"matrix_{place}", (channels, outputs, inputs), initializer=tf.keras.initializers.Constant(start)
            )
            bias = self.add_weight(
                f"bias_{place}", (channels, outputs, 1), initializer=tf.keras.initializers.RandomUniform(-0.5, 0.5)
            )
            last = place == len(self.widths)
            factor = None if last else self.add_weight(f"factor_{place}", (channels, outputs, 1), initializer="zeros")
            self._layers_of_weights.append((matrix, bias, factor))
        super().build(input_shape)

    def cumulative_logits(self, values: tf.Tensor) -> tf.Tensor:
        """Logits of the probability of at most a value: `[channels, points]` to the same shape."""
        found = values[:, tf.newaxis, :]
        for matrix, bias, factor in self._layers_of_weights:
            found = tf.matmul(tf.nn.softplus(matrix), found) + bias
            if factor is not None:
                found += tf.tanh(factor) * tf.tanh(found)
        return found[:, 0, :]

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Likelihoods, 0 to 1, of values `[..., channels]` around which 1 is integrated; the same shape."""
        channels = inputs.shape[-1]
        points = tf.transpose(tf.reshape(inputs, (-1, channels)))
        lower, upper = self.cumulative_logits(points - 0.5), self.cumulative_logits(points + 0.5)
        # On the side where both are small: differences of numbers near 1 would lose what is left of them.
        side = tf.stop_gradient(-tf.sign(lower + upper))
        found = tf.abs(tf.sigmoid(side * upper) - tf.sigmoid(side * lower))
        return tf.reshape(tf.transpose(found), tf.shape(inputs))

    def get_config(self) -> dict[str, Any]:
        """The layer's settings."""
        return {**super().get_config(), "widths": self.widths}


def normal_likelihood(values: tf.Tensor, means: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Likelihoods, 0 to 1, of a normal distribution convolved with a uniform one of width 1; all of one shape."""
    off = tf.abs(values - means)
    return _upper_tail((off - 0.5) / scales) - _upper_tail((off + 0.5) / scales)


def scales_at(places: tf.Tensor) -> tf.Tensor:
    """Standard deviations at places 0 to 63 of the table, between its rows too; places beyond count as its ends."""
    last = float(SCALE_COUNT - 1)
    inside = last - at_least(last - at_least(places, 0.0), 0.0)
    return SMALLEST_SCALE * tf.exp(inside * (math.log(LARGEST_SCALE / SMALLEST_SCALE) / last))


def bits(likelihoods: tf.Tensor) -> tf.Tensor:
    """Their sum of negative logarithms to base 2."""
    return -tf.reduce_sum(tf.math.log(at_least(likelihoods, LEAST_LIKELIHOOD))) / math.log(2)


def _upper_tail(values: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.math.erfc(values / math.sqrt(2))
