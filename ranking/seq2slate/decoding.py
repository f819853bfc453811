"""Place items step by step: the best one, a sampled one, or along a given path."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ranking.seq2slate.checked_inputs import check_decided, check_decoding, checked_lists
from ranking.seq2slate.constraints import SlateConstraints
from ranking.seq2slate.model import MASKED_LOGIT, DecoderState, Encoded, Seq2Slate

# From (logits of the eligible items, divided by the temperature, [batch, list_size], with MASKED_LOGIT elsewhere;
# step) to the row chosen, int64 [batch], -1 for none.
Choice = Callable[[tf.Tensor, int | tf.Tensor], tf.Tensor]
# Unrolled steps run about a tenth faster than a graph loop; tracing them costs a sixth of a second each.
UNROLLED_STEPS = 32


class Decoded(NamedTuple):
    """A decoded batch; `steps` may exceed a list's size, its surplus steps choose nothing.

    Attributes:
        order: int64 `[batch, steps]`, row chosen at each step; -1 where no item was eligible.
        log_probabilities: float `[batch, steps]`, `log p(pi_j | pi_<j, x)` under the softmax of
            `logits / temperature` over the eligible items; 0 where none was chosen, `MASKED_LOGIT` (probability
            0) where one was that is not eligible. Their sum is the slate's.
        logits: float `[batch, steps, list_size]`, with `MASKED_LOGIT` at items that are not eligible.
        eligible: bool `[batch, steps, list_size]`: no padding, not placed before, allowed by the constraints.
    """

    order: tf.Tensor
    log_probabilities: tf.Tensor
    logits: tf.Tensor
    eligible: tf.Tensor


def decode(
    model: Seq2Slate,
    features: tf.Tensor,
    mask: tf.Tensor,
    steps: int,
    choose: Choice,
    *,
    temperature: float = 1.0,
    constraints: SlateConstraints | None = None,
    training: bool = False,
) -> Decoded:
    """Run the pointer decoder for `steps` steps; the path itself carries no gradient, the logits do.

    Args:
        model: the network.
        features: float `[batch, list_size, features]` in base order.
        mask: bool `[batch, list_size]`.
        steps: number of steps, >= 1.
        choose: picks the next item, see `greedy_choice`, `sampled_choice` and `forced_choice`.
        temperature: >= 1e-6; divides the logits before the softmax, as a sampling policy wants it.
        constraints: rules that every slate obeys; a step without an eligible item stays empty.
        training: whether dropout applies.

    Raises:
        ConfigError: `steps` or `temperature` is out of range.
        DataError: shapes do not fit, a feature of an item is not finite, or the model's arithmetic overflows
            (values eagerly only; see `checked_lists`).
    """
    check_decoding(steps=steps, temperature=temperature)
    features, mask = checked_lists(model, features, mask, constraints)
    encoded = model.encode(features, mask, training=training)
    decoded = walk(model.step, model, encoded, mask, steps, choose, temperature=temperature, constraints=constraints)
    check_decided(decoded.logits)
    return decoded


def walk(
    decoder_step: Callable[[Encoded, DecoderState], tuple[tf.Tensor, DecoderState]],
    model: Seq2Slate,
    encoded: Encoded,
    mask: tf.Tensor,
    steps: int | tf.Tensor,
    choose: Choice,
    *,
    temperature: float = 1.0,
    constraints: SlateConstraints | None = None,
) -> Decoded:
    """`decode` of lists that are encoded.

    Args:
        decoder_step: `model.step`, or a compiled form of it.
        encoded: from `model.encode`.
        steps: number of steps, >= 1; where it is a tensor, i32 `[]`, the steps run as a graph loop.
        model, mask, choose, temperature, constraints: see `decode`.
    """
    list_size = tf.shape(mask)[1]

    def advance(step: int | tf.Tensor, walked: _Walked) -> tuple[_Walked, _Outcome]:
        eligible = (
            walked.remaining if constraints is None else constraints.eligible(step, walked.last, walked.remaining)
        )
        logits, state = decoder_step(encoded, walked.decoder)
        logits = tf.where(eligible, logits, tf.cast(MASKED_LOGIT, logits.dtype))
        chosen = tf.stop_gradient(choose(tf.where(eligible, logits / temperature, logits), step))
        chosen_here = tf.one_hot(chosen, list_size, on_value=True, off_value=False, dtype=tf.bool)
        remaining = tf.ensure_shape(tf.logical_and(walked.remaining, tf.logical_not(chosen_here)), mask.shape)
        last = tf.where(chosen >= 0, chosen, walked.last)
        return _Walked(model.placed(encoded, state, chosen), remaining, last), _Outcome(chosen, logits, eligible)

    nothing_placed = tf.fill([tf.shape(mask)[0]], tf.constant(-1, tf.int64))
    start = _Walked(model.first_state(encoded), mask, nothing_placed)
    unrolls = isinstance(steps, int) and steps <= UNROLLED_STEPS
    path = _unrolled(advance, start, steps) if unrolls else _looped(advance, start, steps)
    return decoded_path(*path, temperature)


def decoded_path(
    order: tf.Tensor, logits: tf.Tensor, eligible: tf.Tensor, temperature: float | tf.Tensor = 1.0
) -> Decoded:
    """A path with its log-probabilities; arguments as in `Decoded` and `decode`."""
    tempered = tf.where(eligible, logits / temperature, logits)
    # Row -1 has no one: the log-probability is 0.
    chosen_here = tf.one_hot(order, tf.shape(logits)[2], on_value=True, off_value=False, dtype=tf.bool)
    item_log_p = tf.where(eligible, tf.nn.log_softmax(tempered), tf.cast(MASKED_LOGIT, tempered.dtype))
    log_p = tf.reduce_sum(tf.where(chosen_here, item_log_p, tf.zeros_like(item_log_p)), axis=2)
    return Decoded(order, log_p, logits, eligible)


class _Walked(NamedTuple):
    """A path between two steps."""

    decoder: DecoderState
    remaining: tf.Tensor
    last: tf.Tensor


class _Outcome(NamedTuple):
    """What a step leaves, `[batch]` and twice `[batch, list_size]`; of all steps `[batch, steps]` and so on."""

    order: tf.Tensor
    logits: tf.Tensor
    eligible: tf.Tensor


_Advance = Callable[[int | tf.Tensor, _Walked], tuple[_Walked, _Outcome]]


def _unrolled(advance: _Advance, walked: _Walked, steps: int) -> _Outcome:
    outcomes = []
    for step in range(steps):
        walked, outcome = advance(step, walked)
        outcomes.append(outcome)
    return _Outcome(*(tf.stack(parts, axis=1) for parts in zip(*outcomes, strict=True)))


def _looped(advance: _Advance, walked: _Walked, steps: int | tf.Tensor) -> _Outcome:
    """The same as one graph loop, whose size does not grow with the steps."""
    arrays = _Outcome(*(tf.TensorArray(dtype, steps) for dtype in (tf.int64, walked.decoder.inputs.dtype, tf.bool)))

    def body(step: tf.Tensor, walked: _Walked, arrays: _Outcome) -> tuple[tf.Tensor, _Walked, _Outcome]:
        walked, outcome = advance(step, walked)
        written = (array.write(step, part) for array, part in zip(arrays, outcome, strict=True))
        return step + 1, walked, _Outcome(*written)

    _, _, arrays = tf.while_loop(lambda step, *_: step < steps, body, (0, walked, arrays), maximum_iterations=steps)
    order, logits, eligible = (array.stack() for array in arrays)
    known_steps = tf.get_static_value(steps)
    return _Outcome(
        tf.ensure_shape(tf.transpose(order), [None, known_steps]),
        tf.ensure_shape(tf.transpose(logits, [1, 0, 2]), [None, known_steps, None]),
        tf.ensure_shape(tf.transpose(eligible, [1, 0, 2]), [None, known_steps, None]),
    )


def greedy_choice() -> Choice:
    """The eligible item of the highest logit; ties go to the base order."""
    return lambda logits, step: highest(logits)


def sampled_choice(seed: tf.Tensor) -> Choice:
    """A draw from the softmax of the logits by the Gumbel-max trick; `seed`: int32 `[2]`, stateless."""

    def choose(logits: tf.Tensor, step: int | tf.Tensor) -> tf.Tensor:
        uniform = tf.random.stateless_uniform(
            tf.shape(logits),
            tf.random.experimental.stateless_fold_in(seed, step),
            minval=1e-20,
            dtype=logits.dtype,
        )
        return _highest_perturbed(logits, -tf.math.log(-tf.math.log(uniform)))

    return choose


def perturbed_choice(noise: tf.Tensor) -> Choice:
    """The eligible item whose logit plus its noise, float `[batch, list_size, steps]`, is highest.

    Standard Gumbel noise draws from the softmax of the logits; zeros choose greedily.
    """
    return lambda logits, step: _highest_perturbed(logits, tf.cast(noise[:, :, step], logits.dtype))


def _highest_perturbed(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    masked = logits <= tf.cast(MASKED_LOGIT, logits.dtype)
    return highest(tf.where(masked, logits, logits + noise))


def forced_choice(slates: tf.Tensor) -> Choice:
    """The given rows, int64 `[batch, steps]`, -1 for no choice: what `decode` returns are then theirs.

    An item that was not eligible gets the log-probability `MASKED_LOGIT`, which is probability 0.
    """
    return lambda logits, step: slates[:, step]


def highest(logits: tf.Tensor) -> tf.Tensor:
    """The row of the highest logit, int64 `[batch]`; -1 where all of `[batch, list_size]` are masked."""
    best = tf.argmax(logits, axis=1)
    nobody = tf.reduce_all(logits <= tf.cast(MASKED_LOGIT, logits.dtype), axis=1)
    return tf.where(nobody, -tf.ones_like(best), best)
