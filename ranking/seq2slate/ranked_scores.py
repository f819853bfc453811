"""Scores whose descending order is a model's ranking, as metrics want them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.seq2slate.beam import beam_search
from ranking.seq2slate.checked_inputs import check_decoding, check_weights
from ranking.seq2slate.decoding import decode, greedy_choice, perturbed_choice
from ranking.seq2slate.model import Seq2Slate
from seriatim_errors import ConfigError, DataError

Decoding = Literal["greedy", "one_step", "beam", "sampling"]


def rank_lists(
    model: Seq2Slate,
    lists: RankingLists,
    decoding: Decoding,
    slate_size: int,
    batch_size: int = 256,
    beam_width: int = 4,
    temperature: float = 1.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Scores whose descending order is the model's ranking.

    Args:
        model: a trained network.
        lists: in base order, with the features the model was trained on.
        decoding: `greedy` places `slate_size` items and leaves the rest in base order; `beam` likewise with the
            most probable slate found, `sampling` with a slate drawn from the model; `one_step` sorts all items
            by the logits of the first step.
        slate_size: items to place, >= 1.
        batch_size: lists decoded at once.
        beam_width: slates that `beam` keeps.
        temperature: of `sampling`, > 0; divides the logits.
        seed: of `sampling`, >= 0; the slate of a list depends on it and on the place of the list's items among
            all items, not on `batch_size`.

    Returns:
        float32 `[items]`.

    Raises:
        ConfigError: an unknown decoding, or a size, the temperature or the seed is out of range.
        DataError: the lists have another number of features than the model, or features so large that the
            model's arithmetic overflows.
        TrainingError: a weight of the model is not finite.
    """
    return list_ranker(model, decoding, slate_size, batch_size, beam_width, temperature, seed)(lists)


def list_ranker(
    model: Seq2Slate,
    decoding: Decoding,
    slate_size: int,
    batch_size: int = 256,
    beam_width: int = 4,
    temperature: float = 1.0,
    seed: int = 0,
) -> Callable[[RankingLists], NDArray[np.float32]]:
    """`rank_lists` for repeated use: the decoder is compiled once, later weights of the model take effect."""
    if decoding not in get_args(Decoding):
        raise ConfigError(f"decoding: {decoding!r}; choose one of {', '.join(get_args(Decoding))}")
    check_decoding(temperature=temperature, slate_size=slate_size, batch_size=batch_size, beam_width=beam_width)
    if seed < 0:
        raise ConfigError(f"seed: {seed}; give 0 or more")
    dense_scores = _compiled(model, decoding, slate_size, beam_width, temperature)

    def rank(lists: RankingLists) -> NDArray[np.float32]:
        if len(lists.feature_names) != model.feature_count:
            raise DataError(
                f"features: the lists have {len(lists.feature_names)}, the model was trained on "
                f"{model.feature_count}; give the same columns"
            )
        check_weights(model)
        scores = np.zeros(len(lists.item_ids), np.float32)
        noise = np.zeros((len(scores), 0), np.float32)
        if decoding == "sampling":
            noise = np.random.default_rng(seed).gumbel(size=(len(scores), slate_size)).astype(np.float32)
        # Lists of alike size share a batch, so that little padding is decoded.
        by_size = np.argsort(lists.list_sizes, kind="stable")
        for first in range(0, len(lists), batch_size):
            chosen = by_size[first : first + batch_size]
            padded = lists.select(chosen).padded()
            rows = (lists.offsets[chosen][:, None] + np.arange(padded.mask.shape[1]))[padded.mask]
            padded_noise = np.zeros((*padded.mask.shape, noise.shape[1]), np.float32)
            padded_noise[padded.mask] = noise[rows]
            batch = (tf.constant(part) for part in (padded.features, padded.mask, padded_noise))
            scores[rows] = dense_scores(*batch).numpy()[padded.mask]
        if not np.isfinite(scores).all():
            request = lists.request_ids[lists.list_index[int(np.argmin(np.isfinite(scores)))]]
            raise DataError(
                f"features: those of request {request!r} are too large for the model's arithmetic; standardise them"
            )
        return scores

    return rank


def _compiled(
    model: Seq2Slate, decoding: Decoding, slate_size: int, beam_width: int, temperature: float
) -> Callable[..., tf.Tensor]:
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, model.feature_count], tf.float32),
            tf.TensorSpec([None, None], tf.bool),
            tf.TensorSpec([None, None, None], tf.float32),
        ],
        autograph=False,
    )
    def scores(features: tf.Tensor, mask: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        if decoding == "one_step":
            return tf.cast(model(features, mask), tf.float32)
        if decoding == "beam":
            beams = beam_search(model, features, mask, slate_size, beam_width)
            order, values = beams.order[:, 0], beams.log_probabilities
        else:
            samples = decoding == "sampling"
            choose = perturbed_choice(noise) if samples else greedy_choice()
            decoded = decode(model, features, mask, slate_size, choose, temperature=temperature if samples else 1.0)
            order, values = decoded.order, tf.reshape(decoded.logits, [tf.shape(mask)[0], -1])
        list_size = tf.shape(mask)[1]
        base = -tf.range(list_size, dtype=tf.float32)[tf.newaxis, :]
        # A chosen item's score is above every base score and falls with its step.
        bonus = tf.range(slate_size, 0, -1, dtype=tf.float32)
        chosen = tf.one_hot(order, list_size, dtype=tf.float32)
        placed = tf.reduce_max(chosen * bonus[tf.newaxis, :, tf.newaxis], axis=1)
        ranked = tf.where(placed > 0, placed, base)
        # An order hides an overflow on its way: what it was chosen by does not.
        undecided = tf.reduce_any(tf.math.is_nan(values), axis=1, keepdims=True)
        return tf.where(undecided, tf.fill(tf.shape(ranked), np.float32(np.nan)), ranked)

    return scores
