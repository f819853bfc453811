"""Exposure: how much of users' attention a ranking gives to groups of items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists


def exposure(lists: RankingLists, scores: NDArray[np.floating], slate_size: int) -> NDArray[np.float64]:
    """The attention that each item gets when its list is ranked by descending score.

    Attention at rank r is `1 / log2(1 + r)`, the discount of NDCG, and nothing behind the slate.

    Args:
        lists: the requests.
        scores: float `[items]`, finite; ties keep the present order.
        slate_size: items that a user sees, >= 1.

    Returns:
        float64 `[items]`.

    Source: Singh and Joachims, "Fairness of exposure in rankings", KDD 2018 (arXiv 1802.07281), section 3.
    """
    order = lists.descending_order(scores)
    starts = lists.offsets[:-1][lists.list_index]
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - starts + 1
    return np.where(ranks <= slate_size, 1.0 / np.log2(1.0 + ranks), 0.0)


def sums_by_group(
    lists: RankingLists, values: NDArray[np.floating], group: NDArray[np.integer], number: int
) -> NDArray[np.float64]:
    """The sum, over each request's items of one group, float64 `[requests]`.

    Args:
        lists: the requests.
        values: float `[items]`.
        group: int `[items]`.
        number: the group.
    """
    chosen = np.flatnonzero(group == number)
    return np.bincount(lists.list_index[chosen], values[chosen], len(lists)).astype(np.float64)
