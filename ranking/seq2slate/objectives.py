"""What training minimises: a surrogate a path whose gradient is the objective's (section 3.2 of the paper)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ranking.seq2slate.decoding import Decoded
from ranking.seq2slate.losses import slate_loss
from ranking.seq2slate.settings import Seq2SlateSettings

BASELINE_DECAY = 0.99


class Objective(NamedTuple):
    """One path's share of the objective.

    Attributes:
        surrogate: float `[batch]`; its gradient, not its value, is what counts.
        value: float `[batch]`, the quantity to be made small: L_pi, or minus the reward.
    """

    surrogate: tf.Tensor
    value: tf.Tensor


def path_objective(decoded: Decoded, labels: tf.Tensor, settings: Seq2SlateSettings, baseline: tf.Tensor) -> Objective:
    """The objective of decoded paths in the training mode of `settings`.

    `greedy` and `one_step` take the path as constant: the surrogate is L_pi. `sampling` minimises
    `E[L_pi]` over paths drawn from the model, whose gradient has two terms,
    `E[grad L_pi + (L_pi - b) grad log p(pi)]`: the surrogate is `L_pi + sg(L_pi - b) log p(pi)`.
    `reinforce` maximises `E[R]`, R = NDCG@k: the surrogate is `- sg(R - b) log p(pi)`. Any b that does not
    depend on the path leaves the expected gradient as it is.

    Args:
        decoded: paths; drawn from the model's own probabilities in the last two modes.
        labels: float `[batch, list_size]` in {0, 1}.
        settings: `training`, `loss` and `reward_cutoff` are read.
        baseline: float scalar b, on the scale of `Objective.value`; NaN for the batch's own mean.
    """
    if settings.training == "reinforce":
        value = -slate_ndcg(decoded.order, labels, settings.reward_cutoff)
        pathwise = tf.zeros_like(value)
    else:
        value = pathwise = slate_loss(decoded, labels, settings.loss)
    if settings.training in ("greedy", "one_step"):
        return Objective(pathwise, value)
    log_probability = tf.reduce_sum(decoded.log_probabilities, axis=1)
    advantage = tf.stop_gradient(value - tf.cast(_baseline_or_mean(baseline, value), value.dtype))
    return Objective(pathwise + advantage * log_probability, value)


def moving_baseline(baseline: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """The baseline after a batch: an exponential moving average that starts at the first batch's mean.

    Args:
        baseline: float scalar, NaN before the first batch.
        values: float `[batch]`, `Objective.value`.
    """
    mean = tf.cast(tf.reduce_mean(values), baseline.dtype)
    return BASELINE_DECAY * _baseline_or_mean(baseline, values) + (1 - BASELINE_DECAY) * mean


def slate_ndcg(order: tf.Tensor, labels: tf.Tensor, cutoff: int) -> tf.Tensor:
    """NDCG@cutoff of a decoded order under binary labels; 0 for lists without a click.

    Args:
        order: int64 `[batch, steps]`, -1 where nothing was placed.
        labels: float `[batch, list_size]`.
        cutoff: k >= 1.

    Returns:
        float `[batch]` in [0, 1].
    """
    depth = min(cutoff, order.shape[1])
    gains = tf.gather(labels, tf.maximum(order[:, :depth], 0), batch_dims=1)
    gains = tf.where(order[:, :depth] >= 0, gains, tf.zeros_like(gains))
    discounts = tf.constant(1.0 / np.log2(np.arange(2, cutoff + 2)), labels.dtype)
    ideal_gains = tf.sort(labels, axis=1, direction="DESCENDING")[:, :cutoff]
    ideal = tf.reduce_sum(ideal_gains * discounts[: tf.shape(ideal_gains)[1]], axis=1)
    return tf.math.divide_no_nan(tf.reduce_sum(gains * discounts[:depth], axis=1), ideal)


def _baseline_or_mean(baseline: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`baseline`, or the batch's own mean as long as no batch was seen."""
    return tf.where(tf.math.is_nan(baseline), tf.cast(tf.reduce_mean(values), baseline.dtype), baseline)
