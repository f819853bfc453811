"""Place items step by step: greedy, sampled, along a given path, or all at once from the first step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.seq2slate.model import MASKED_LOGIT, Seq2Slate

# From (logits of the remaining items [batch, list_size], step) to the row chosen, int64 [batch].
Choice = Callable[[tf.Tensor, int], tf.Tensor]


class Decoded(NamedTuple):
    """A decoded batch; `steps` may exceed a list's size, its surplus steps choose nothing.

    Attributes:
        order: int64 `[batch, steps]`, row chosen at each step; -1 when the list is exhausted.
        log_probabilities: float `[batch, steps]`, `log p(pi_j | pi_<j, x)`; 0 when exhausted.
        logits: float `[batch, steps, list_size]`, with `MASKED_LOGIT` at placed items and padding.
        remaining: bool `[batch, steps, list_size]`, items not placed before the step.
    """

    order: tf.Tensor
    log_probabilities: tf.Tensor
    logits: tf.Tensor
    remaining: tf.Tensor


def decode(
    model: Seq2Slate,
    features: tf.Tensor,
    mask: tf.Tensor,
    steps: int,
    choose: Choice,
    training: bool = False,
) -> Decoded:
    """Run the pointer decoder for `steps` steps; the path itself carries no gradient, the logits do.

    Args:
        model: the network.
        features: float `[batch, list_size, features]` in base order.
        mask: bool `[batch, list_size]`.
        steps: number of steps.
        choose: picks the next item, see `greedy_choice`, `sampled_choice` and `forced_choice`.
        training: whether dropout applies.
    """
    encoded = model.encode(features, mask, training=training)
    batch, list_size = tf.shape(mask)[0], tf.shape(mask)[1]
    inputs, state, remaining = model.first_inputs(batch), encoded.state, mask
    orders, log_probabilities, all_logits, all_remaining = [], [], [], []
    for step in range(steps):
        logits, state = model.step(encoded, inputs, state)
        logits = tf.where(remaining, logits, tf.cast(MASKED_LOGIT, logits.dtype))
        available = tf.reduce_any(remaining, axis=1)
        chosen = tf.stop_gradient(choose(logits, step))
        chosen_here = tf.one_hot(chosen, list_size, on_value=True, off_value=False, dtype=tf.bool)
        log_probability = tf.reduce_sum(tf.where(chosen_here, tf.nn.log_softmax(logits), tf.zeros_like(logits)), axis=1)
        orders.append(tf.where(available, chosen, -tf.ones_like(chosen)))
        log_probabilities.append(tf.where(available, log_probability, tf.zeros_like(log_probability)))
        all_logits.append(logits)
        all_remaining.append(remaining)
        inputs = tf.gather(encoded.features, tf.maximum(chosen, 0), batch_dims=1)
        remaining = tf.logical_and(remaining, tf.logical_not(chosen_here))
    return Decoded(
        tf.stack(orders, axis=1),
        tf.stack(log_probabilities, axis=1),
        tf.stack(all_logits, axis=1),
        tf.stack(all_remaining, axis=1),
    )


def greedy_choice() -> Choice:
    """The remaining item of the highest logit; ties go to the base order."""
    return lambda logits, step: tf.argmax(logits, axis=1)


def sampled_choice(seed: tf.Tensor, temperature: float = 1.0) -> Choice:
    """A draw from `softmax(logits / temperature)` by the Gumbel-max trick.

    Args:
        seed: int32 `[2]`, the state of a stateless generator.
        temperature: > 0; at 1 the draw follows the model's own probabilities.
    """

    def choose(logits: tf.Tensor, step: int) -> tf.Tensor:
        uniform = tf.random.stateless_uniform(
            tf.shape(logits),
            tf.random.experimental.stateless_fold_in(seed, step),
            minval=1e-20,
            dtype=logits.dtype,
        )
        masked = logits <= tf.cast(MASKED_LOGIT, logits.dtype)
        perturbed = logits / temperature - tf.math.log(-tf.math.log(uniform))
        return tf.argmax(tf.where(masked, logits, perturbed), axis=1)

    return choose


def forced_choice(slates: tf.Tensor) -> Choice:
    """The given rows, int64 `[batch, steps]`: what `decode` then returns are their log-probabilities."""
    return lambda logits, step: slates[:, step]


def rank_lists(
    model: Seq2Slate,
    lists: RankingLists,
    decoding: Literal["greedy", "one_step"],
    slate_size: int,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Scores whose descending order is the model's ranking.

    Args:
        model: a trained network.
        lists: in base order, with the features the model was trained on.
        decoding: `greedy` places `slate_size` items and leaves the rest in base order; `one_step` sorts
            all items by the logits of the first step.
        slate_size: items to place.
        batch_size: lists decoded at once.

    Returns:
        float32 `[items]`.
    """
    return list_ranker(model, decoding, slate_size, batch_size)(lists)


def list_ranker(
    model: Seq2Slate, decoding: Literal["greedy", "one_step"], slate_size: int, batch_size: int = 256
) -> Callable[[RankingLists], NDArray[np.float32]]:
    """`rank_lists` for repeated use: the decoder is compiled once, later weights of the model take effect."""
    placed = _decoder(model, decoding, slate_size)

    def rank(lists: RankingLists) -> NDArray[np.float32]:
        scores = []
        for batch in lists.batches(batch_size):
            padded = batch.padded()
            dense = placed(tf.constant(padded.features), tf.constant(padded.mask)).numpy()
            scores.append(dense[padded.mask])
        return np.concatenate(scores) if scores else np.zeros(0, np.float32)

    return rank


def _decoder(model: Seq2Slate, decoding: str, slate_size: int) -> Callable[..., tf.Tensor]:
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, model.feature_count], tf.float32),
            tf.TensorSpec([None, None], tf.bool),
        ]
    )
    def scores(features: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        if decoding == "one_step":
            return tf.cast(model(features, mask), tf.float32)
        order = decode(model, features, mask, slate_size, greedy_choice()).order
        list_size = tf.shape(mask)[1]
        base = -tf.range(list_size, dtype=tf.float32)[tf.newaxis, :]
        # A chosen item's score is above every base score and falls with its step.
        bonus = tf.cast(2 * list_size, tf.float32) + tf.range(slate_size, 0, -1, dtype=tf.float32)
        chosen = tf.one_hot(order, list_size, dtype=tf.float32)
        placed = tf.reduce_max(chosen * bonus[tf.newaxis, :, tf.newaxis], axis=1)
        return tf.where(placed > 0, placed, base)

    return scores
