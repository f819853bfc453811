"""Listwise losses of networks that score all items of a list at once.

A negative label marks padding and what takes no part; its item is as good as absent.
"""

from __future__ import annotations

import tensorflow as tf

# exp(-SMALLEST) is the largest attention below one that float32 tells from one.
SMALLEST = 1e-6
ABSENT = -1e9


def softmax_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy between the labels as shares of their sum and the softmax of the logits, a value a list.

    Args:
        logits: float `[batch, list_size]`.
        labels: float `[batch, list_size]`; each list has a positive one.

    Returns:
        float `[batch]`, >= 0.

    Source: the listwise loss of PRM (Pei et al., RecSys 2019) and allRank's ListNet with shares of labels.
    """
    log_attention = _log_attention(logits, labels)
    gains = tf.maximum(labels, 0.0)
    targets = gains / tf.reduce_sum(gains, axis=1, keepdims=True)
    return -tf.reduce_sum(tf.where(targets > 0, targets * log_attention, 0.0), axis=1)


def attention_rank_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy, item by item, between the attention that labels deserve and that which logits give.

    With target `a_i = psi(y_i) / sum psi`, `psi(y) = exp(y)` for y > 0 and 0 else, and `p = softmax(logits)`,
    the loss of a list is `-sum_i [a_i log p_i + (1 - a_i) log(1 - p_i)]`.

    Args:
        logits: float `[batch, list_size]`.
        labels: float `[batch, list_size]`; each list has a positive one.

    Returns:
        float `[batch]`, >= 0.

    Source: Ai et al., "Learning a deep listwise context model for ranking refinement", SIGIR 2018, section 4.3.
    """
    log_attention = _log_attention(logits, labels)
    deserving = tf.where(labels > 0, tf.exp(labels), 0.0)
    targets = deserving / tf.reduce_sum(deserving, axis=1, keepdims=True)
    elsewhere = tf.math.log(-tf.math.expm1(tf.minimum(log_attention, -SMALLEST)))
    terms = tf.where(targets > 0, targets * log_attention, 0.0)
    terms += tf.where((labels >= 0) & (targets < 1), (1.0 - targets) * elsewhere, 0.0)
    return -tf.reduce_sum(terms, axis=1)


def _log_attention(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Log-softmax over the items that take part."""
    return tf.nn.log_softmax(tf.where(labels >= 0, logits, ABSENT))
