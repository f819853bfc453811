"""Smooth stand-ins for the count of errors: what an example costs by its margin on the wrong side."""

from __future__ import annotations

from typing import Literal, get_args

import tensorflow as tf

from seriatim_errors import TrainingError

Surrogate = Literal["softplus", "sigmoid"]
SURROGATES: tuple[Surrogate, ...] = get_args(Surrogate)
# Of the sigmoid, in units of the scores' spread; and what keeps scores that are all alike from dividing by 0.
SHARPNESS, LEAST_SPREAD = 8.0, 0.01


def error_costs(surrogate: Surrogate, margins: tf.Tensor, spread: tf.Tensor) -> tf.Tensor:
    """What examples cost, as `margins`; both surrogates bound "margin >= 0" from above up to a factor.

    `softplus(z)` (factor ln 2) is convex, but where most examples must be in error anyway the objective is
    lowest where all scores coincide. `sigmoid(8 z / spread)` (factor 1/2) is as good as blind to the scores'
    scale and stays near the count itself; on the data of `benchmarks/rate_constraints.py` and in the gate it
    gave more precision at the same recall.

    Args:
        surrogate: which.
        margins: float, how far each example is on the wrong side.
        spread: of the scores, see `spread`; broadcast against `margins`.
    """
    if surrogate == "softplus":
        return tf.nn.softplus(margins)
    return tf.sigmoid(SHARPNESS * margins / (spread + tf.cast(LEAST_SPREAD, margins.dtype)))


def spread(scores: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Weighted mean absolute deviation from the mean over the last axis, float `[...]`; 0 without any weight.

    A few far scores move it less than they move the standard deviation.
    """
    mean = weighted_mean(scores, weights)
    return weighted_mean(tf.abs(scores - mean[..., None]), weights)


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean over the last axis, 0 where nothing has weight; what has none may be infinite."""
    counted = weights * tf.where(weights > 0, values, tf.zeros_like(values))
    return tf.math.divide_no_nan(tf.reduce_sum(counted, axis=-1), tf.reduce_sum(weights, axis=-1))


def check_surrogate(name: str) -> None:
    """Refuse an unknown surrogate.

    Raises:
        TrainingError: with the name and the choices.
    """
    if name not in SURROGATES:
        raise TrainingError(f"surrogate is {name!r}; use one of {', '.join(SURROGATES)}")
