"""The interface of base rankers: what orders the candidates before anything looks at the slate as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from seriatim_errors import DataError


class FittedRanker(Protocol):
    """A ranker that is ready to score."""

    def score(self, lists: RankingLists) -> NDArray[np.float64]:
        """Scores of the items, float64 `[items]`, finite; within a list the higher ranks earlier."""


class BaseRanker(Protocol):
    """A plan to train a ranker; the same plan and data give the same ranker."""

    def fit(self, train: RankingLists, validation: RankingLists | None = None) -> FittedRanker:
        """The ranker trained on `train`; `validation`, where given, decides when to stop.

        Raises:
            DataError: the lists lack what the plan learns from.
            TrainingError: there is nothing to learn, such as no relevant item at all.
        """


def require_features(lists: RankingLists, names: Sequence[str], ranker: str) -> None:
    """Refuse lists whose features are not those that a ranker was trained on, in their order.

    Raises:
        DataError: with both lists of names.
    """
    if tuple(lists.feature_names) != tuple(names):
        raise DataError(
            f"features: the lists have {', '.join(lists.feature_names)}, {ranker} was trained on {', '.join(names)}; "
            "give the same columns"
        )
