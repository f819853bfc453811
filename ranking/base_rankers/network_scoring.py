"""Score lists with a network, in dense batches, by one function compiled for all list sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.lists import RankingLists

# Items of a dense batch, padding included, so that attention over long lists fits in memory.
ITEMS_A_BATCH = 8192


def network_scorer(network: tf.keras.Model, features: int) -> Callable[[RankingLists], NDArray[np.float64]]:
    """What scores lists (standardised features) by `network`, float64 `[items]`; later weights take effect."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, features]), tf.TensorSpec([None, None], tf.bool)], autograph=False
    )
    def logits(items: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        return network(items, mask)

    def score(lists: RankingLists) -> NDArray[np.float64]:
        scores = np.zeros(len(lists.item_ids), np.float64)
        for chosen in _batches(lists.list_sizes):
            padded = lists.select(chosen).padded()
            dense = logits(tf.constant(padded.features), tf.constant(padded.mask)).numpy()
            scores[rows_of(lists, chosen, padded.mask)] = dense[padded.mask]
        return scores

    return score


def built(network: tf.keras.Model, features: int) -> tf.keras.Model:
    """`network` itself, its weights made."""
    network(tf.zeros([1, 1, features]), tf.ones([1, 1], tf.bool))
    return network


def rows_of(lists: RankingLists, chosen: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of the items of the lists `chosen`, int64, in the order of the true values of `mask` `[chosen, size]`."""
    rows: NDArray[np.int64] = lists.offsets[chosen][:, None] + np.arange(mask.shape[1])
    return rows[mask]


def _batches(list_sizes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Indices of lists of alike size, at most `ITEMS_A_BATCH` items with padding or one list; no empty list."""
    by_size = np.argsort(list_sizes, kind="stable")
    by_size = by_size[list_sizes[by_size] > 0]
    batches, first = [], 0
    while first < len(by_size):
        # Sizes only grow, so a batch cut for its first list's size is cut again for its last one's.
        count = max(1, ITEMS_A_BATCH // int(list_sizes[by_size[first]]))
        last = min(first + count, len(by_size)) - 1
        count = max(1, min(count, ITEMS_A_BATCH // int(list_sizes[by_size[last]])))
        batches.append(by_size[first : first + count])
        first += len(batches[-1])
    return batches
