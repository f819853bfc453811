"""Rank gain: by how many ranks a re-ranker lifts what was clicked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import counted, defined_where_relevant


def rank_gain(
    labels: ArrayLike,
    base_ranks: ArrayLike,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The sum, over clicked items, of the base rank minus the new rank.

    >>> rank_gain([1.0, 0.0, 0.0], base_ranks=[3, 1, 2])
    array(2.)

    With weights each item's lift is weighted and the sum divided by the list's own weight (`list_weights`), so
    that the weighted mean over lists is the weighted sum of lifts.

    Args:
        labels: float `[..., list_size]` in the new rank order; clicked where positive; 0 at padding.
        base_ranks: int `[..., list_size]`, for each item its rank before, counted as the new ranks are: from 1,
            among the items that hold a rank.
        weights: float `[..., list_size]`, >= 0; an item of weight 0 holds no rank. None: all equal.
        mask: bool `[..., list_size]`, false for items that hold no rank. None: all do.

    Returns:
        float64 `[...]` in ranks, positive where clicked items rose; nan where nothing is clicked.

    Raises:
        DataError: a label or weight is not finite or negative.

    Source: "Seq2Slate: Re-ranking and Slate Optimization with RNNs", arXiv 1810.02019.
    """
    items = counted(labels, weights, mask)
    clicked = items.labels > 0
    before = np.take_along_axis(np.asarray(base_ranks, np.float64), items.order, axis=-1)
    lifts = np.where(clicked, before - np.arange(1, clicked.shape[-1] + 1), 0.0)
    shares = np.where(clicked, items.weights, 0.0)
    mean_weight = shares.sum(axis=-1) / np.maximum(clicked.sum(axis=-1), 1)
    total = (shares * lifts).sum(axis=-1)
    return defined_where_relevant(total / np.where(mean_weight > 0, mean_weight, 1.0), items.labels)
