"""Discounted cumulative gain, plain and normalised."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import defined_where_relevant, head

Gain = Literal["exponential", "linear"]


def normalised_discounted_cumulative_gain(
    labels: ArrayLike, cutoff: int | None = None, gain: Gain = "exponential"
) -> NDArray[np.float64]:
    """NDCG@k: the discounted gain of a ranking over that of the best ranking of the same items.

    >>> normalised_discounted_cumulative_gain([1.0, 0.0, 0.0])
    array(1.)

    Args:
        labels: float `[..., list_size]`, >= 0, in rank order (see `ranked_labels`); 0 at padding.
        cutoff: the rank k down to which gain counts; None: the whole list.
        gain: `exponential` for `2**label - 1`, `linear` for the label; on {0, 1} they agree.

    Returns:
        float64 `[...]` in [0, 1]; nan where no label is positive.

    Source: Järvelin and Kekäläinen 2002 with the gain of Burges et al. 2005; discount `1 / log2(rank + 1)`.
    """
    values = np.asarray(labels, np.float64)
    best = discounted_cumulative_gain(-np.sort(-values, axis=-1), cutoff, gain)
    achieved = discounted_cumulative_gain(values, cutoff, gain)
    return defined_where_relevant(achieved / np.where(best > 0, best, 1.0), values)


def discounted_cumulative_gain(
    labels: ArrayLike, cutoff: int | None = None, gain: Gain = "exponential"
) -> NDArray[np.float64]:
    """DCG@k: the sum of gains, each divided by `log2(rank + 1)`.

    Args:
        labels: float `[..., list_size]`, >= 0, in rank order; 0 at padding.
        cutoff: the rank k down to which gain counts; None: the whole list.
        gain: `exponential` for `2**label - 1`, `linear` for the label.

    Returns:
        float64 `[...]`, >= 0.
    """
    top = head(np.asarray(labels, np.float64), cutoff)
    gains = np.exp2(top) - 1.0 if gain == "exponential" else top
    return (gains / np.log2(np.arange(2, top.shape[-1] + 2))).sum(axis=-1)
