"""The interface of base rankers: what orders the candidates before anything looks at the slate as a whole."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists


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
