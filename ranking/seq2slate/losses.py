"""Losses of one decoding step, and their weighted sum along a path (section 3.2 of the paper)."""

from __future__ import annotations

import tensorflow as tf

from ranking.seq2slate.checked_inputs import check_step
from ranking.seq2slate.decoding import Decoded

HINGE_SMOOTHNESS = 1.0


def cross_entropy(logits: tf.Tensor, remaining: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of the next item against the clicks spread evenly over the remaining clicked items.

    `l = - sum_i yhat_i log p_i` with `yhat_i = y_i / sum_{k in A} y_k` over the remaining set A.

    Args:
        logits: float `[..., list_size]`, very negative at items that do not remain.
        remaining: bool `[..., list_size]`, the set A.
        labels: float `[..., list_size]` in {0, 1}.

    Returns:
        float `[...]`, >= 0; 0 where no clicked item remains.

    Raises:
        DataError: a logit or a label is NaN (eagerly).
    """
    check_step(logits, labels)
    positives = tf.where(remaining, labels, tf.zeros_like(labels))
    total = tf.reduce_sum(positives, axis=-1, keepdims=True)
    target = tf.math.divide_no_nan(positives, total)
    log_p = tf.nn.log_softmax(logits)
    # where, not a product: 0 * (-inf) would be NaN.
    return -tf.reduce_sum(tf.where(target > 0, target * log_p, tf.zeros_like(log_p)), axis=-1)


def smooth_hinge(
    logits: tf.Tensor, remaining: tf.Tensor, labels: tf.Tensor, smoothness: float = HINGE_SMOOTHNESS
) -> tf.Tensor:
    """A smooth form of `max(0, 1 - min_{clicked} s + max_{not clicked} s)` over the remaining items.

    Minimum, maximum and the hinge itself are softened by `smoothness` (gamma, at least 1e-6, so that masked items stay
    out of reach); other arguments as in `cross_entropy`.

    Returns:
        float `[...]`, >= 0; 0 where no clicked or no unclicked item remains.

    Raises:
        DataError: a logit or a label is NaN (eagerly).
    """
    check_step(logits, labels)
    positive = tf.logical_and(remaining, labels > 0)
    negative = tf.logical_and(remaining, labels <= 0)
    gamma = tf.cast(smoothness, logits.dtype)
    lowest_positive = -gamma * _masked_logsumexp(-logits / gamma, positive)
    highest_negative = gamma * _masked_logsumexp(logits / gamma, negative)
    # Where none is clicked, or all are, one of the extremes is so far off that nothing is left of the hinge.
    return gamma * tf.nn.softplus((1.0 + highest_negative - lowest_positive) / gamma)


STEP_LOSSES = {"cross_entropy": cross_entropy, "smooth_hinge": smooth_hinge}


def slate_loss(decoded: Decoded, labels: tf.Tensor, loss: str) -> tf.Tensor:
    """`L_pi = sum_j w_j l_j`, float `[batch]`; arguments as in `step_losses`."""
    return tf.reduce_sum(step_losses(decoded, labels, loss), axis=1)


def step_losses(decoded: Decoded, labels: tf.Tensor, loss: str) -> tf.Tensor:
    """`w_j l_j` of every step with `w_j = 1 / log(j + 1)`, natural logarithm.

    Args:
        decoded: a path through the lists.
        labels: float `[batch, list_size]` in {0, 1}.
        loss: `cross_entropy` or `smooth_hinge`.

    Returns:
        float `[batch, steps]`, >= 0.
    """
    steps = tf.range(1, tf.shape(decoded.logits)[1] + 1)
    weights = 1.0 / tf.math.log(tf.cast(steps, decoded.logits.dtype) + 1.0)
    of_every_step = tf.cast(labels, decoded.logits.dtype)[:, tf.newaxis, :]
    return weights * STEP_LOSSES[loss](decoded.logits, decoded.eligible, of_every_step)


def _masked_logsumexp(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """logsumexp over the last axis where `mask` holds; very negative, with zero gradient, where it holds nowhere."""
    lowest = tf.cast(-1e9, values.dtype)
    return tf.reduce_logsumexp(tf.where(mask, values, lowest), axis=-1)
