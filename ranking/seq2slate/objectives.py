"""What training minimises: a surrogate a path whose gradient is the objective's (section 3.2 of the paper)."""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf

from ranking.seq2slate.decoding import Decoded
from ranking.seq2slate.losses import step_losses
from ranking.seq2slate.settings import Seq2SlateSettings

BASELINE_DECAY = 0.99


class Objective(NamedTuple):
    """One path's share of the objective.

    Attributes:
        surrogate: float `[batch]`; its gradient, not its value, is what counts.
        value: float `[batch]`, the quantity to be made small: L_pi, or minus the reward.
        consequences: float `[batch, steps]`, the part of `value` that the choice of each step can change.
    """

    surrogate: tf.Tensor
    value: tf.Tensor
    consequences: tf.Tensor


def path_objective(decoded: Decoded, labels: tf.Tensor, settings: Seq2SlateSettings, baseline: tf.Tensor) -> Objective:
    """The objective of decoded paths in the training mode of `settings`.

    `greedy` and `one_step` take the path as constant: the surrogate is L_pi. `sampling` minimises `E[L_pi]`
    over paths drawn from the model, whose gradient has two terms,
    `E[grad L_pi + (L_pi - b) grad log p(pi)]`. `reinforce` maximises `E[R]`, R = NDCG@k, with the second term
    alone. In both, the choice of step j is weighed with its consequences only, G_j: the losses of the steps
    after j, or minus the gains from j on. What came before step j is no consequence of it and has expectation
    zero in its term, so the expected gradient is the same and its variance smaller. The surrogate is
    `L_pi + sum_j sg(G_j - b_j) log p(pi_j | pi_<j)`; any b that does not depend on the path will do.

    Args:
        decoded: paths; drawn from the model's own probabilities in the last two modes.
        labels: float `[batch, list_size]` in {0, 1}.
        settings: `training`, `loss` and `reward_cutoff` are read.
        baseline: float `[steps]` b, on the scale of `Objective.consequences`; NaN for the batch's own mean.

    Source: section 3.2 of the paper; consequences only: Sutton et al., "Policy gradient methods for
    reinforcement learning with function approximation", NIPS 1999.
    """
    if settings.training == "reinforce":
        costs = -slate_gains(decoded.order, labels, settings.reward_cutoff)
        consequences = tf.cumsum(costs, axis=1, reverse=True)
        value, pathwise = tf.reduce_sum(costs, axis=1), tf.zeros_like(costs[:, 0])
    else:
        costs = step_losses(decoded, labels, settings.loss)
        # The loss of a step is that of its distribution, whatever is then chosen from it.
        consequences = tf.cumsum(costs, axis=1, reverse=True, exclusive=True)
        value = pathwise = tf.reduce_sum(costs, axis=1)
    if settings.training in ("greedy", "one_step"):
        return Objective(pathwise, value, consequences)
    advantage = tf.stop_gradient(consequences - tf.cast(_baseline_or_mean(baseline, consequences), value.dtype))
    score = tf.reduce_sum(advantage * decoded.log_probabilities, axis=1)
    return Objective(pathwise + score, value, consequences)


def moving_baseline(baseline: tf.Tensor, consequences: tf.Tensor) -> tf.Tensor:
    """The baseline after a batch: an exponential moving average that starts at the first batch's mean.

    Args:
        baseline: float `[steps]`, NaN before the first batch.
        consequences: float `[batch, steps]`, `Objective.consequences`.
    """
    mean = tf.cast(tf.reduce_mean(consequences, axis=0), baseline.dtype)
    return BASELINE_DECAY * _baseline_or_mean(baseline, consequences) + (1 - BASELINE_DECAY) * mean


def slate_gains(order: tf.Tensor, labels: tf.Tensor, cutoff: int) -> tf.Tensor:
    """What each step adds to NDCG@cutoff under binary labels; 0 for lists without a click.

    Args:
        order: int64 `[batch, steps]`, -1 where nothing was placed.
        labels: float `[batch, list_size]`.
        cutoff: k >= 1; steps after it add nothing.

    Returns:
        float `[batch, steps]`, >= 0, whose sum is NDCG@cutoff.
    """
    gains = tf.gather(labels, tf.maximum(order, 0), batch_dims=1)
    gains = tf.where(order >= 0, gains, tf.zeros_like(gains))
    ideal_gains = tf.sort(labels, axis=1, direction="DESCENDING")[:, :cutoff]
    ideal_discounts = _discounts(tf.shape(ideal_gains)[1], cutoff, labels.dtype)
    ideal = tf.reduce_sum(ideal_gains * ideal_discounts, axis=1, keepdims=True)
    return tf.math.divide_no_nan(gains * _discounts(tf.shape(order)[1], cutoff, labels.dtype), ideal)


def _discounts(steps: tf.Tensor, cutoff: int, dtype: tf.DType) -> tf.Tensor:
    """`1 / log2(rank + 1)` of ranks 1 to `steps`, 0 past `cutoff`."""
    ranks = tf.cast(tf.range(1, steps + 1), dtype)
    return tf.where(ranks <= cutoff, math.log(2) / tf.math.log(ranks + 1.0), 0.0)


def _baseline_or_mean(baseline: tf.Tensor, consequences: tf.Tensor) -> tf.Tensor:
    """`baseline`, or the batch's own mean as long as no batch was seen."""
    mean = tf.cast(tf.reduce_mean(consequences, axis=0), baseline.dtype)
    return tf.where(tf.math.is_nan(baseline), mean, baseline)
