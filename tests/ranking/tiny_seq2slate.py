"""A seq2slate small enough to enumerate every slate, in double precision."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.seq2slate import Decoded, Seq2Slate, decode, forced_choice
from ranking.seq2slate.starting_logits import FASTER

FEATURES = 3
ENCODERS = ("lstm", "transformer", "set_transformer")


class Architecture(NamedTuple):
    """What kind of model."""

    encoder: str
    nearness_levels: int = 0
    from_base_order: bool = False


ARCHITECTURES = (
    *(Architecture(encoder) for encoder in ENCODERS),
    Architecture("lstm", nearness_levels=2),
    Architecture("lstm", from_base_order=True),
    Architecture("transformer", nearness_levels=3, from_base_order=True),
)


def tiny_model(
    seed: int = 0,
    dtype: str = "float64",
    hidden_size: int = 4,
    encoder: str = "lstm",
    nearness_levels: int = 0,
    from_base_order: bool = False,
) -> Seq2Slate:
    """Weights larger than the initial ones, so that probabilities are far from uniform."""
    model = Seq2Slate(
        FEATURES,
        hidden_size,
        seed=seed,
        dtype=dtype,
        encoder=encoder,
        attention_heads=2,
        nearness_levels=nearness_levels,
        from_base_order=from_base_order,
    )
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(scale=0.9, size=weight.shape) for weight in model.get_weights()])
    if model.starting_logits is not None:
        for weight in model.starting_logits.weights:
            weight.assign(weight / FASTER)
    return model


def random_items(batch: int, list_size: int, seed: int = 0, dtype: type = np.float64) -> NDArray:
    return np.random.default_rng(seed).normal(size=(batch, list_size, FEATURES)).astype(dtype)


def all_slates(list_size: int, steps: int | None = None) -> NDArray[np.int64]:
    """Every ordered choice of `steps` items (default: every permutation), `[slates, steps]`."""
    return np.array(list(itertools.permutations(range(list_size), steps or list_size)), np.int64)


def decoded_along(model: Seq2Slate, items: NDArray, slates: NDArray[np.int64], **options: object) -> Decoded:
    """The one list `items` `[1, list_size, features]` decoded along every given slate."""
    repeated = tf.repeat(tf.constant(items), len(slates), axis=0)
    mask = tf.ones(repeated.shape[:2], tf.bool)
    return decode(model, repeated, mask, slates.shape[1], forced_choice(tf.constant(slates)), **options)


def slate_probabilities(decoded: Decoded) -> NDArray[np.float64]:
    return np.exp(decoded.log_probabilities.numpy().sum(axis=1))


def clicked_lists(count: int = 24, list_size: int = 8, seed: int = 0) -> RankingLists:
    """Lists whose clicked items are the two with the largest first feature."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count * list_size, FEATURES)).astype(np.float32)
    first = features[:, 0].reshape(count, list_size)
    return RankingLists(
        request_ids=np.array([f"r{i}" for i in range(count)], dtype=object),
        offsets=np.arange(count + 1) * list_size,
        item_ids=np.array([f"i{i}" for i in range(count * list_size)], dtype=object),
        features=features,
        feature_names=("a", "b", "c"),
        clicks=(first >= -np.sort(-first, axis=1)[:, 1:2]).astype(np.float32).ravel(),
    )
