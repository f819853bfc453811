"""Generalised divisive normalisation (GDN) and its inverse as Keras layers, with exponents to choose."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure import channelwise, register_rule

# Variables are roots, so that steps shrink as a value nears 0; the pedestal keeps the root's gradient finite there.
PEDESTAL = 2.0**-36
SMALLEST_BETA = 1e-6
ACTIVATIONS = ("gdn", "gdn1", "relu")


@tf.keras.saving.register_keras_serializable("seriatim")
class GDN(tf.keras.layers.Layer):
    """y_i = x_i / (beta_i + sum_j gamma_ji |x_j|^alpha)^epsilon at every pixel; the inverse multiplies.

    The classic form has alpha 2 and epsilon 1/2 (Balle et al., arXiv 1511.06281); alpha 1 and epsilon 1 need neither
    squares nor roots (Johnston et al., arXiv 1912.08771). The inverse is one step towards it, not exact. A channel that
    is 0 everywhere stays 0 and has no part in the others: cutting it out of beta and of both axes of gamma changes
    nothing else.

    Args:
        inverse: multiply instead of divide.
        alpha: above 0.
        epsilon: above 0.

    Raises:
        DataError: an exponent is not above 0.
    """

    def __init__(self, inverse: bool = False, alpha: float = 1.0, epsilon: float = 1.0, **settings: Any) -> None:
        super().__init__(**settings)
        if not (alpha > 0 and epsilon > 0):
            raise DataError(f"alpha {alpha} and epsilon {epsilon} of GDN; give numbers above 0")
        self.inverse, self.alpha, self.epsilon = inverse, float(alpha), float(epsilon)

    def build(self, input_shape: Any) -> None:
        """Variables for as many channels as the input has: beta 1, gamma 0.1 on the diagonal."""
        channels = int(input_shape[-1])
        ones, diagonal = tf.ones(channels), 0.1 * tf.eye(channels)
        self.beta_root = self._root("beta_root", ones)
        self.gamma_root = self._root("gamma_root", diagonal)
        super().build(input_shape)

    @property
    def beta(self) -> tf.Tensor:
        """`[channels]`, at least 1e-6."""
        return tf.square(at_least(self.beta_root, math.sqrt(SMALLEST_BETA + PEDESTAL))) - PEDESTAL

    @property
    def gamma(self) -> tf.Tensor:
        """`[channels j, channels i]`, 0 or more."""
        return tf.square(at_least(self.gamma_root, math.sqrt(PEDESTAL))) - PEDESTAL

    def set_values(self, beta: Any, gamma: Any) -> None:
        """Set beta `[channels]` and gamma `[channels j, channels i]`."""
        self.set_weights([_root_of(beta), _root_of(gamma)])

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Images float `[batch, height, width, channels]` to the same shape."""
        powers = tf.abs(inputs) if self.alpha == 1 else tf.square(inputs) if self.alpha == 2 else None
        if powers is None:
            powers = tf.pow(tf.abs(inputs), self.alpha)
        pool = tf.nn.conv2d(powers, self.gamma[tf.newaxis, tf.newaxis], 1, "VALID") + self.beta
        if self.epsilon == 0.5:
            return inputs * (tf.sqrt(pool) if self.inverse else tf.math.rsqrt(pool))
        if self.epsilon != 1:
            pool = tf.pow(pool, self.epsilon)
        return inputs * pool if self.inverse else inputs / pool

    def get_config(self) -> dict[str, Any]:
        """The layer's settings."""
        own = {"inverse": self.inverse, "alpha": self.alpha, "epsilon": self.epsilon}
        return {**super().get_config(), **own}

    def _root(self, name: str, value: tf.Tensor) -> tf.Variable:
        return self.add_weight(name, value.shape, initializer=lambda *_, **__: _root_of(value))


# A channel lies in beta and on both axes of gamma, whose product with a pixel is what the layer costs.
register_rule(GDN, channelwise({"gamma_root": (0, 1), "beta_root": (0,)}, keeps_zero=True, macs_of="gamma_root"))


def activation(kind: str, inverse: bool = False, **settings: Any) -> tf.keras.layers.Layer:
    """The layer of a kind: `gdn` (2, 1/2), `gdn1` (1, 1) or `relu`, which has no inverse of its own.

    Raises:
        DataError: there is no such activation.
    """
    if kind == "relu":
        return tf.keras.layers.ReLU(**settings)
    if kind not in ACTIVATIONS:
        raise DataError(f"activation {kind!r}; give one of {', '.join(ACTIVATIONS)}")
    alpha, epsilon = (2.0, 0.5) if kind == "gdn" else (1.0, 1.0)
    return GDN(inverse, alpha, epsilon, **settings)


@tf.custom_gradient
def at_least(values: tf.Tensor, bound: float) -> Any:
    """max(values, bound), of which the gradient still passes below the bound where a step would raise the value."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.where((values >= bound) | (upstream < 0), upstream, 0.0), None

    return tf.maximum(values, bound), gradient


def _root_of(values: Any) -> tf.Tensor:
    return tf.sqrt(tf.maximum(tf.convert_to_tensor(values, tf.float32), 0.0) + PEDESTAL)
