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


def rows_by_group(group: NDArray[np.integer], count: int) -> list[NDArray[np.int64]]:
    """The rows of each group, in rising order; groups are 0 to `count - 1`, int `[items]`."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group, minlength=count))[:-1])


def sums_by_request(
    list_index: NDArray[np.integer], values: NDArray[np.floating], rows: NDArray[np.integer], requests: int
) -> NDArray[np.float64]:
    """The sum of `values` over each request's items among `rows`, float64 `[requests]`.

    Args:
        list_index: int `[items]`, the request of each.
        values: float `[items]`.
        rows: int, the items that count.
        requests: how many.
    """
    return np.bincount(list_index[rows], values[rows], requests).astype(np.float64)
