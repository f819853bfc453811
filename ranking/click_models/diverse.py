"""Diverse clicks: a user who has no use for a second item of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.click_models.examination import ClickModel
from ranking.click_models.similarity import checked_quantile, similar_pairs_by_list_size
from ranking.lists import RankingLists


@dataclass(frozen=True)
class DiverseClicks:
    """Another model's clicks, less those on items similar to an item clicked further up.

    The list is scanned from the top; a click stands unless its item's distance to any click that stands above
    it is at most the `quantile` of the list's pairwise distances. The features of the lists measure distance,
    so give standardised ones.

    Attributes:
        clicked_by: the model whose clicks are thinned.
        quantile: q in [0, 1].

    Source: "Seq2Slate", arXiv 1810.02019, diverse-clicks; the form agrees with allRank's
    duplicate-aware model.
    """

    clicked_by: ClickModel
    quantile: float = 0.5

    def __post_init__(self) -> None:
        checked_quantile(self.quantile)

    def clicks(self, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator) -> NDArray[np.float32]:
        """Clicks on the items of `lists`; see `ClickModel.clicks`."""
        standing = self.clicked_by.clicks(lists, relevance, rng) > 0
        for rows, similar in similar_pairs_by_list_size(lists, self.quantile):
            kept = standing[rows]
            for rank in range(1, rows.shape[1]):
                kept[:, rank] &= ~(kept[:, :rank] & similar[:, rank, :rank]).any(axis=1)
            standing[rows] = kept
        return standing.astype(np.float32)
