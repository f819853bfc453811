"""The gradient of a path's logits, taken once for the whole path instead of step by step.

A path that is known is cheap to differentiate: the decoder's LSTM reads a known sequence, and the logits of all
steps depend on its outputs alone. Nothing of size `[batch, steps, list_size, rho]` is ever kept.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from ranking.seq2slate.decoding import Decoded, decoded_path
from ranking.seq2slate.model import MASKED_LOGIT, Encoded, Seq2Slate
from ranking.seq2slate.recurrence import lstm_along


def with_gradient(model: Seq2Slate, encoded: Encoded, walked: Decoded) -> Decoded:
    """A path as `decode` would return it under a gradient tape: the values of `walked`, differentiable.

    Args:
        model: the network, without nearness.
        encoded: the lists that were walked; gradients reach its codes and state, its features are data.
        walked: a path through them at temperature 1, from `walk`.
    """
    before = model.first_state(encoded)
    first_output, state = model.decoder(before.inputs, before.state)
    outputs = first_output[tf.newaxis]
    if walked.order.shape[1] != 1:
        steps = tf.shape(walked.order)[1]
        # What step j + 1 reads is what step j placed. A path of one step reads nothing; the sequence still has one.
        placed = tf.maximum(walked.order[:, : tf.maximum(steps - 1, 1)], 0)
        items = tf.transpose(tf.gather(encoded.features, placed, batch_dims=1), [1, 0, 2])
        present = tf.ones(tf.concat([tf.shape(items)[:2], [1]], axis=0), tf.bool)
        later_outputs, _ = lstm_along(items, model.decoder.trainable_variables, state, present)
        outputs = tf.concat([outputs, later_outputs[: steps - 1]], axis=0)
    logits = _logits_along(walked.logits, encoded.projected, model.decoder_projection(outputs), model.attention)
    if model.starting_logits is not None:
        by_rank = model.starting_logits.by_rank(tf.shape(logits)[2])
        logits += by_rank - tf.stop_gradient(by_rank)
    return decoded_path(walked.order, logits, walked.eligible)


@tf.custom_gradient
def _logits_along(
    known: tf.Tensor, projected: tf.Tensor, pointed: tf.Tensor, attention: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """The logits `v . tanh(W_enc e_i + W_dec d_j)`, which are known; with the gradient they would have.

    Args:
        known: float `[batch, steps, list_size]`, the logits, `MASKED_LOGIT` at items that get no gradient.
        projected: float `[batch, list_size, rho]`, `W_enc e_i`.
        pointed: float `[steps, batch, rho]`, `W_dec d_j`.
        attention: float `[rho]`, v.
    """

    def gradient(of_logits: tf.Tensor) -> tuple:
        by_step = tf.transpose(tf.where(known > MASKED_LOGIT, of_logits, 0), [1, 0, 2])
        steps = tf.shape(pointed)[0]

        def add_step(step: tf.Tensor, of_items: tf.Tensor, of_v: tf.Tensor, of_steps: tf.TensorArray) -> tuple:
            of_items, of_v, of_step = _logits_gradient(
                projected, pointed[step], attention, by_step[step], of_items, of_v
            )
            return step + 1, of_items, of_v, of_steps.write(step, of_step)

        of_steps = tf.TensorArray(pointed.dtype, steps, element_shape=pointed.shape[1:])
        start = (0, tf.zeros_like(projected), tf.zeros_like(pointed[0]), of_steps)
        _, of_items, of_v, of_steps = tf.while_loop(
            lambda step, *_: step < steps, add_step, start, maximum_iterations=steps
        )
        return None, of_items, of_steps.stack() * attention, tf.reduce_sum(of_v, axis=0)

    return tf.identity(known), gradient


@tf.function(jit_compile=True, autograph=False)
def _logits_gradient(
    projected: tf.Tensor,
    pointed: tf.Tensor,
    attention: tf.Tensor,
    of_logits: tf.Tensor,
    of_items: tf.Tensor,
    of_v: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One step's share of the gradients, that of `pointed` not yet times v.

    Args:
        projected: float `[batch, list_size, rho]`.
        pointed, attention: float `[batch, rho]` and `[rho]`.
        of_logits: float `[batch, list_size]`.
        of_items, of_v: float `[batch, list_size, rho]` and `[batch, rho]`, sums over the steps so far.

    Returns:
        Both sums with this step, and the gradient of `pointed`, float `[batch, rho]`.
    """
    squashed = tf.tanh(projected + pointed[:, tf.newaxis])
    slope = 1 - squashed**2
    return (
        of_items + of_logits[:, :, tf.newaxis] * (slope * attention),
        of_v + tf.einsum("bn,bnr->br", of_logits, squashed),
        tf.einsum("bn,bnr->br", of_logits, slope),
    )
