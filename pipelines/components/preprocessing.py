"""The Transform graph: features standardised with one vector analysis, and the constants it found."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

MEAN_OUTPUT, SCALE_OUTPUT = "standardisation_mean", "standardisation_scale"
# A column whose standard deviation is below this is constant; dividing by it would only blow up rounding.
CONSTANT_BELOW = 1e-6


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Standardise context and candidate features; called by TFX Transform.

    Args:
        inputs: sparse tensors `[batch, None]` by column name, one row a request.
        custom_config: `context` and `candidate` (feature names) and `log1p` (bool).

    Returns:
        The features standardised, sparse as they came, and for every request the constants
        `standardisation_mean` and `standardisation_scale`, float32 `[batch, features]`, in model order.
    """
    log1p = bool(custom_config["log1p"])
    outputs: dict[str, Any] = {}
    means, scales = [], []
    for group in ("context", "candidate"):
        names = custom_config[group]
        if not names:
            continue
        # All columns of a group hold one value an item (or a request): as one matrix they need one analyzer.
        matrix = tf.stack([inputs[name].values for name in names], axis=1)
        if log1p:
            matrix = tf.sign(matrix) * tf.math.log1p(tf.abs(matrix))
        mean = tft.mean(matrix, reduce_instance_dims=False)
        deviation = tf.sqrt(tft.var(matrix, reduce_instance_dims=False))
        scale = tf.where(deviation > CONSTANT_BELOW, deviation, tf.ones_like(deviation))
        standardised = (matrix - mean) / scale
        for column, name in enumerate(names):
            source = inputs[name]
            outputs[name] = tf.SparseTensor(source.indices, standardised[:, column], source.dense_shape)
        means.append(mean)
        scales.append(scale)
    batch = tf.cast(inputs["request_id"].dense_shape[0], tf.int32)
    for name, parts in ((MEAN_OUTPUT, means), (SCALE_OUTPUT, scales)):
        outputs[name] = tf.tile(tf.concat(parts, axis=0)[tf.newaxis, :], [batch, 1])
    return outputs
