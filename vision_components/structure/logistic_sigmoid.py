"""The Logistic-Sigmoid distribution: gates that are open with probability `sigmoid(logit)`, made smooth.

`z = sigmoid((l + L) / t)` with logistic noise `L` and temperature `t`. Whatever the temperature, `z > 1/2` exactly when
`l + L > 0`, which has the probability `sigmoid(l)`; so a relaxed gate and a hard one of the same noise agree.
"""

from __future__ import annotations

import tensorflow as tf

# Noise of a uniform number at 0 or 1 is infinite.
EDGE = 1e-6


def logistic_noise(size: int, seed: int, step: tf.Tensor) -> tf.Tensor:
    """Draws of the standard logistic distribution, the same for the same seed and step.

    Args:
        size: how many.
        seed: of the sequence.
        step: place in the sequence, an integer scalar.

    Returns:
        float32 `[size]`.
    """
    pair = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    uniform = tf.random.stateless_uniform([size], pair, EDGE, 1 - EDGE)
    return tf.math.log(uniform) - tf.math.log1p(-uniform)


def relaxed(logits: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor | float) -> tf.Tensor:
    """`sigmoid((l + L) / t)`, between 0 and 1; all float32 `[n]`, the temperature above 0."""
    return tf.sigmoid((logits + noise) / temperature)


def hard(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """`1[l + L > 0]`, without a gradient; all float32 `[n]`."""
    return tf.cast(logits + noise > 0, tf.float32)


def straight_through(logits: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor | float) -> tf.Tensor:
    """Exactly the hard gate forwards, with the gradient of the relaxed one; all float32 `[n]`."""
    smooth = relaxed(logits, noise, temperature)
    # In this order the difference is exactly zero, and what is added to it stays 0 or 1.
    return hard(logits, noise) + (smooth - tf.stop_gradient(smooth))
