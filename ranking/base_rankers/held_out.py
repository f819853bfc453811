"""The held-out lists that choose an epoch or a setting, and the value they choose by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.relevance_labels import Label, relevance_labels, with_relevant_items
from ranking.lists import RankingLists
from ranking.metrics.evaluation import evaluate_lists
from seriatim_errors import DataError, TrainingError

CUTOFF = 10
HELD_OUT_METRIC = f"ndcg_at_{CUTOFF}"


def held_out_lists(validation: RankingLists, feature_names: tuple[str, ...], label: Label) -> RankingLists:
    """The validation lists that have a relevant item.

    Raises:
        DataError: the label's column is missing, or the lists have other features than `feature_names`.
        TrainingError: no list has a relevant item.
    """
    if validation.feature_names != feature_names:
        raise DataError(
            f"features: training lists have {', '.join(feature_names)}, validation lists "
            f"{', '.join(validation.feature_names)}; give both the same columns"
        )
    counted = with_relevant_items(validation, label)
    if len(counted) == 0:
        raise TrainingError(
            f"label {label!r}: no relevant item in the {len(validation)} validation lists; give some that have "
            "one, or no validation lists"
        )
    return counted


def held_out_ndcg(lists: RankingLists, scores: NDArray[np.float64], label: Label) -> float:
    """Mean NDCG@10 of `held_out_lists` ordered by `scores`, float64 `[items]`."""
    return float(np.mean(evaluate_lists(lists, scores, relevance_labels(lists, label), (CUTOFF,))[HELD_OUT_METRIC]))
