"""Batches of lists of similar size: little padding, still a random order every epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BATCHES_A_WINDOW = 16


def bucketed_batches(
    list_sizes: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Indices of lists in batches, each list in exactly one.

    Lists are shuffled, sorted by size only within windows of `BATCHES_A_WINDOW` batches, cut, and the batches
    shuffled again: who meets whom changes every epoch while a batch's sizes stay alike.

    Args:
        list_sizes: int64 `[lists]`.
        batch_size: lists in a batch; the last of a window may hold fewer.
        rng: source of the order.

    Returns:
        int64 `[<= batch_size]` a batch.
    """
    shuffled = rng.permutation(len(list_sizes))
    window = BATCHES_A_WINDOW * batch_size
    batches = []
    for first in range(0, len(shuffled), window):
        here = shuffled[first : first + window]
        here = here[np.argsort(list_sizes[here], kind="stable")]
        batches += [here[start : start + batch_size] for start in range(0, len(here), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]
