"""Rank gain: by how many ranks a re-ranker lifts what was clicked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import defined_where_relevant


def rank_gain(labels: ArrayLike, base_ranks: ArrayLike) -> NDArray[np.float64]:
    """The sum, over clicked items, of the base rank minus the new rank.

    >>> rank_gain([1.0, 0.0, 0.0], base_ranks=[3, 1, 2])
    array(2.)

    Args:
        labels: float `[..., list_size]` in the new rank order; clicked where positive; 0 at padding.
        base_ranks: int `[..., list_size]`, for each item its rank before, counted as the new ranks are.

    Returns:
        float64 `[...]` in ranks, positive where clicked items rose; nan where nothing is clicked.

    Source: "Seq2Slate: Re-ranking and Slate Optimization with RNNs", arXiv 1810.02019.
    """
    values = np.asarray(labels, np.float64)
    new_ranks = np.arange(1, values.shape[-1] + 1)
    lifted = np.where(values > 0, np.asarray(base_ranks, np.float64) - new_ranks, 0.0)
    return defined_where_relevant(lifted.sum(axis=-1), values)
