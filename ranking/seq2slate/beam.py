"""Beam search: the most probable slates, not only the one that is best step by step."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from ranking.seq2slate.checked_inputs import check_decided, check_decoding, checked_lists
from ranking.seq2slate.constraints import SlateConstraints
from ranking.seq2slate.model import Seq2Slate


class Beams(NamedTuple):
    """The `width` best slates found, the most probable first.

    Attributes:
        order: int64 `[batch, width, steps]`, rows in slate order; -1 where a step stays empty.
        log_probabilities: float `[batch, width]`, of the whole slate; -inf where there are fewer slates.
    """

    order: tf.Tensor
    log_probabilities: tf.Tensor


def beam_search(
    model: Seq2Slate,
    features: tf.Tensor,
    mask: tf.Tensor,
    steps: int,
    width: int,
    constraints: SlateConstraints | None = None,
) -> Beams:
    """Keep the `width` most probable partial slates at every step; 1 is greedy decoding.

    The paper does not use it; it is exact where `width` is at least the number of partial slates.

    Args:
        model: the network.
        features: float `[batch, list_size, features]` in base order.
        mask: bool `[batch, list_size]`.
        steps: length of the slates, >= 1.
        width: slates kept, >= 1.
        constraints: rules that every slate obeys.

    Raises:
        ConfigError, DataError: as `decode`, or `width` is below 1.
    """
    check_decoding(steps=steps, width=width)
    features, mask = checked_lists(model, features, mask, constraints)
    encoded = model.encode(features, mask)
    batch, list_size = tf.shape(mask)[0], tf.shape(mask)[1]
    # The paths of a list stand beside each other as rows of one larger batch.
    encoded = tf.nest.map_structure(lambda part: tf.repeat(part, width, axis=0), encoded)
    state = model.first_state(encoded)
    remaining = tf.repeat(tf.cast(mask, tf.bool), width, axis=0)
    last = tf.fill([batch * width], tf.constant(-1, tf.int64))
    # One path to begin with; the others are impossible until paths branch.
    scores = tf.tile(tf.one_hot([0], width, 0.0, -float("inf"), dtype=model.dtype), [batch, 1])
    order = tf.zeros([batch * width, 0], tf.int64)
    for step in range(steps):
        eligible = remaining if constraints is None else constraints.eligible(step, last, remaining)
        logits, state = model.step(encoded, state)
        grown = scores[:, :, tf.newaxis] + tf.reshape(_log_softmax_or_stay(logits, eligible), [batch, width, -1])
        scores, best = tf.math.top_k(tf.reshape(grown, [batch, -1]), width)
        parent = best // (list_size + 1) + width * tf.range(batch)[:, tf.newaxis]
        parent = tf.reshape(parent, [-1])
        chosen = tf.cast(tf.reshape(best % (list_size + 1), [-1]), tf.int64)
        chosen = tf.where(chosen < tf.cast(list_size, tf.int64), chosen, -tf.ones_like(chosen))
        order = tf.concat([tf.gather(order, parent), chosen[:, tf.newaxis]], axis=1)
        of_parents = tf.nest.map_structure(lambda part, rows=parent: tf.gather(part, rows), state)
        state = model.placed(encoded, of_parents, chosen)
        last = tf.where(chosen >= 0, chosen, tf.gather(last, parent))
        placed = tf.one_hot(chosen, list_size, on_value=True, off_value=False, dtype=tf.bool)
        remaining = tf.logical_and(tf.gather(remaining, parent), tf.logical_not(placed))
    check_decided(scores)
    order = tf.reshape(order, [batch, width, steps])
    return Beams(tf.where(tf.math.is_finite(scores)[:, :, tf.newaxis], order, -tf.ones_like(order)), scores)


def _log_softmax_or_stay(logits: tf.Tensor, eligible: tf.Tensor) -> tf.Tensor:
    """Log-probabilities `[rows, list_size + 1]`; the last column is the empty step, certain where none is eligible."""
    impossible = tf.constant(-float("inf"), logits.dtype)
    available = tf.reduce_any(eligible, axis=1, keepdims=True)
    log_p = tf.nn.log_softmax(tf.where(eligible, logits, tf.cast(-1e9, logits.dtype)))
    stay = tf.where(available, impossible, tf.zeros_like(impossible))
    return tf.concat([tf.where(eligible, log_p, impossible), stay], axis=1)
