"""Stratified batches: enough of the constrained examples in each for the batch's own quantile to mean something."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def needed_positives(rate: float) -> int:
    """Positives a batch needs for the quantile at `rate`: `2 / min(p, 1 - p)`; fewer are mostly bias."""
    # Rates such as 0.95 are not binary fractions: 2 / (1 - 0.95) is a little above 40.
    return math.ceil(2 / min(rate, 1 - rate) - 1e-9)


def stratified_batches(
    labels: NDArray[np.float32], batch_size: int, rate: float, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """One pass over the negatives in batches of positives and negatives.

    Args:
        labels: {0, 1} `[items]`, with at least one of each.
        batch_size: items in a batch, about; more where half of it does not hold the positives needed.
        rate: the constrained rate, which says how many positives a batch needs.
        rng: source of the order.

    Yields:
        Rows of positives and rows of negatives. Positives come in a natural share, but at least
        `needed_positives` (or all there are), and are used again when they run out.
    """
    positives, negatives = np.flatnonzero(labels > 0), np.flatnonzero(labels <= 0)
    natural = round(batch_size * len(positives) / len(labels))
    share = min(len(positives), max(natural, needed_positives(rate), 1))
    # Half a batch of negatives at least: a high rate must not turn an epoch into a step for each negative.
    batches = max(1, round(len(negatives) / max(batch_size - share, batch_size // 2, 1)))
    queue = np.concatenate([rng.permutation(positives) for _ in range(1 + batches * share // len(positives))])
    for index, chosen in enumerate(np.array_split(rng.permutation(negatives), batches)):
        start = index * share
        yield queue[start : start + share], chosen


def representative_weights(
    weights: NDArray[np.float32], positive_share: float, positives: NDArray[np.int64], negatives: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Weights that give a stratified batch the class shares of all items, positives first.

    Args:
        weights: `[items]`, > 0, of all items.
        positive_share: share of the weight of all items that positives hold.
        positives, negatives: rows of the batch, neither empty.

    Returns:
        float32 `[positives + negatives]` with mean 1.
    """
    size = len(positives) + len(negatives)
    high, low = weights[positives], weights[negatives]
    high, low = high * (positive_share / high.sum()), low * ((1 - positive_share) / low.sum())
    return (size * np.concatenate([high, low])).astype(np.float32)
