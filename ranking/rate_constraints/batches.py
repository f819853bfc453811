"""Stratified batches: enough positives in each for the batch's own quantile to mean something."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def needed_positives(rate: float) -> int:
    """Positives a batch needs for the quantile at `rate`: `2 / min(p, 1 - p)`; fewer are mostly bias."""
    return math.ceil(2 / min(rate, 1 - rate))


def stratified_batches(
    labels: NDArray[np.float32], batch_size: int, rate: float, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """One pass over the negatives in batches of positives and negatives.

    Args:
        labels: {0, 1} `[items]`, with at least one of each.
        batch_size: items in a batch, about.
        rate: the constrained rate, which says how many positives a batch needs.
        rng: source of the order.

    Yields:
        Rows of positives and rows of negatives. Positives come in a natural share, but at least
        `needed_positives` (or all there are), and are used again when they run out.
    """
    positives, negatives = np.flatnonzero(labels > 0), np.flatnonzero(labels <= 0)
    natural = round(batch_size * len(positives) / len(labels))
    share = min(len(positives), max(natural, needed_positives(rate)))
    batches = max(1, round(len(negatives) / max(1, batch_size - share)))
    queue = np.concatenate([rng.permutation(positives) for _ in range(1 + batches * share // len(positives))])
    for index, chosen in enumerate(np.array_split(rng.permutation(negatives), batches)):
        start = index * share % (len(queue) - share + 1)
        yield queue[start : start + share], chosen
