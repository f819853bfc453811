"""The base ranker that changes nothing: the order as logged, the row that every comparison begins with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists


@dataclass(frozen=True)
class AsLogged:
    """Scores that reproduce the logged positions, or the lists' present order where none are logged."""

    def fit(self, train: RankingLists, validation: RankingLists | None = None) -> AsLogged:
        """Itself: there is nothing to learn."""
        return self

    def score(self, lists: RankingLists) -> NDArray[np.float64]:
        """Minus the logged position, or minus the row number; float64 `[items]`."""
        if lists.positions is not None:
            return -lists.positions.astype(np.float64)
        return -np.arange(len(lists.item_ids), dtype=np.float64)
