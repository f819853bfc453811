"""Clicks on another order than the one in which the lists stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.click_models.examination import ClickModel, checked_relevance
from ranking.lists import RankingLists


def clicks_on_order(
    model: ClickModel,
    lists: RankingLists,
    relevance: ArrayLike,
    scores: NDArray[np.floating],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Clicks that fall when the lists are shown by descending `scores`, in the lists' own row order.

    Fixed clicks reward a re-ranker for staying near the order they fell on; clicks simulated anew on its own
    order do not, and say what a slate would have earned.

    Args:
        model: the simulated user.
        lists: requests with the features that measure similarity.
        relevance: bool or float `[items]` in [0, 1], in the lists' row order.
        scores: float `[items]`, the higher the earlier shown; ties keep the present order.
        rng: source of chance.

    Returns:
        float32 `[items]` in {0, 1}.

    Raises:
        DataError: `relevance` or `scores` do not match the items, a relevance leaves [0, 1] or a score is NaN.
    """
    probability = checked_relevance(lists, relevance)
    order = lists.descending_order(scores)
    clicks = np.empty(len(order), np.float32)
    clicks[order] = model.clicks(lists.reordered(scores), probability[order], rng)
    return clicks
