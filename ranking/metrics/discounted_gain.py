"""Discounted cumulative gain, plain and normalised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import Counted, counted, defined_where_relevant, head
from seriatim_errors import DataError

Gain = Literal["exponential", "linear"]
# A power of two beyond it leaves no room for sums of gains in a double.
MAX_EXPONENTIAL_LABEL = 900.0


def normalised_discounted_cumulative_gain(
    labels: ArrayLike,
    cutoff: int | None = None,
    gain: Gain = "exponential",
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """NDCG@k: the discounted gain of a ranking over that of the best ranking of the same items.

    >>> normalised_discounted_cumulative_gain([1.0, 0.0, 0.0])
    array(1.)

    With weights an item's gain is its weight times the gain of its label, also in the best ranking, which is
    that by descending weighted gain; this is TF-Ranking's definition.

    Args:
        labels: float `[..., list_size]`, >= 0, in rank order (see `ranked_labels`); 0 at padding.
        cutoff: the rank k down to which gain counts; None: the whole list.
        gain: `exponential` for `2**label - 1`, `linear` for the label; on {0, 1} they agree.
        weights: float `[..., list_size]`, >= 0; an item of weight 0 holds no rank. None: all equal.
        mask: bool `[..., list_size]`, false for items that hold no rank. None: all do.

    Returns:
        float64 `[...]` in [0, 1]; nan where no label is positive.

    Raises:
        DataError: a label or weight is not finite or negative, or a label's gain is beyond floating point.
        ValueError: `cutoff` is below 1.

    Source: Järvelin and Kekäläinen 2002 with the gain of Burges et al. 2005; discount `1 / log2(rank + 1)`.
    """
    return gains_at_cutoffs(counted(labels, weights, mask), (cutoff,), gain)[0]


def gains_at_cutoffs(
    items: Counted, cutoffs: Sequence[int | None], gain: Gain = "exponential"
) -> list[NDArray[np.float64]]:
    """NDCG at each of several cutoffs, float64 `[...]` each, from one sorting of the gains.

    Args, raises: as in `normalised_discounted_cumulative_gain`.
    """
    gains = items.weights * gain_of(items.labels, gain)
    descending = -np.sort(-gains, axis=-1)
    values = []
    for cutoff in cutoffs:
        best = _discounted_sum(descending, cutoff)
        achieved = _discounted_sum(gains, cutoff) / np.where(best > 0, best, 1.0)
        values.append(defined_where_relevant(achieved, items.labels))
    return values


def discounted_cumulative_gain(
    labels: ArrayLike,
    cutoff: int | None = None,
    gain: Gain = "exponential",
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """DCG@k: the sum of gains, each divided by `log2(rank + 1)`.

    With weights the gains are weighted and the sum is divided by the list's own weight (`list_weights`), so that
    the weighted mean over lists is the weighted sum of gains, as in TF-Ranking.

    Args, raises: as in `normalised_discounted_cumulative_gain`.

    Returns:
        float64 `[...]`, >= 0; 0 where no label is positive.
    """
    items = counted(labels, weights, mask)
    gains = gain_of(items.labels, gain)
    mean_weight = (items.weights * gains).sum(axis=-1) / np.where(gains.any(axis=-1), gains.sum(axis=-1), 1.0)
    return _discounted_sum(items.weights * gains, cutoff) / np.where(mean_weight > 0, mean_weight, 1.0)


def gain_of(labels: NDArray[np.float64], gain: Gain) -> NDArray[np.float64]:
    """The gain of each label, in the labels' shape.

    Raises:
        DataError: a label is so high that its exponential gain overflows.
    """
    if gain == "linear":
        return labels
    highest = labels.max(initial=0.0)
    if highest > MAX_EXPONENTIAL_LABEL:
        raise DataError(f"labels: {highest} has no finite gain 2**label; choose the linear gain or lower labels")
    return np.exp2(labels) - 1.0


def _discounted_sum(gains: NDArray[np.float64], cutoff: int | None) -> NDArray[np.float64]:
    top = head(gains, cutoff)
    return (top / np.log2(np.arange(2, top.shape[-1] + 2))).sum(axis=-1)
