"""Similar clicks: a user who, once pleased, clicks more of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.click_models.examination import ExaminationModel, examined_and_attracted
from ranking.click_models.similarity import checked_quantile, similar_pairs_by_list_size
from ranking.lists import RankingLists


@dataclass(frozen=True)
class SimilarClicks:
    """Another model's clicks, and clicks on other examined items similar to an item clicked further up.

    The list is scanned from the top; an examined item that would go without a click gets one when its
    distance to any click above it, of either kind, is at most the `quantile` of the list's pairwise
    distances. The features of the lists measure distance, so give standardised ones.

    Attributes:
        clicked_by: the model whose clicks are added to.
        quantile: q in [0, 1].

    Source: "Seq2Slate", arXiv 1810.02019, similar-clicks.
    """

    clicked_by: ExaminationModel
    quantile: float = 0.5

    def __post_init__(self) -> None:
        checked_quantile(self.quantile)

    def clicks(self, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator) -> NDArray[np.float32]:
        """Clicks on the items of `lists`; see `ClickModel.clicks`."""
        examined, clicked = examined_and_attracted(self.clicked_by, lists, relevance, rng)
        for rows, similar in similar_pairs_by_list_size(lists, self.quantile):
            grown, open_to_click = clicked[rows], examined[rows]
            for rank in range(1, rows.shape[1]):
                drawn = (grown[:, :rank] & similar[:, rank, :rank]).any(axis=1)
                grown[:, rank] |= drawn & open_to_click[:, rank]
            clicked[rows] = grown
        return clicked.astype(np.float32)
