"""The confidences of `confidence_of`, for tensors."""

from __future__ import annotations

import math

import tensorflow as tf

from vision_components.committees.confidence import Confidence


def tensor_confidence(probabilities: tf.Tensor, kind: Confidence) -> tf.Tensor:
    """Confidence of each row, float32 `[...]`, of probabilities float32 `[..., classes]`; see `confidence_of`."""
    if kind == "max_probability":
        sure = tf.reduce_max(probabilities, axis=-1)
    elif kind == "margin":
        largest = tf.math.top_k(probabilities, 2).values
        sure = largest[..., 0] - largest[..., 1]
    elif kind == "entropy":
        rows = tf.cast(probabilities, tf.float64)
        sure = 1 + tf.reduce_sum(tf.math.xlogy(rows, rows), axis=-1) / math.log(rows.shape[-1])
    else:
        raise ValueError(f"confidence {kind!r}; give max_probability, margin or entropy")
    return tf.cast(tf.clip_by_value(sure, 0, 1), tf.float32)
