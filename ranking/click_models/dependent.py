"""The dependent click model: a user who reads from the top and may stop after a click."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.click_models.examination import checked_relevance
from ranking.lists import RankingLists
from seriatim_errors import ConfigError


@dataclass(frozen=True)
class DependentClicks:
    """The user reads item after item, clicks what attracts, and after a click reads on with a probability.

    Without a click everything is read. Where no click is followed by another one (the default) this is the
    cascade model of Craswell et al.: a user who stops at the first click.

    Attributes:
        continuation: probability in [0, 1] of reading on after a click at rank 1, 2, ...; ranks past the last
            one given go on as often as the last one.

    Source: Craswell et al., "An experimental comparison of click position-bias models", WSDM 2008 (cascade);
    Guo, Liu and Wang, "Efficient multiple-click models in web search", WSDM 2009 (dependent click model).
    """

    continuation: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        if not self.continuation or not all(0 <= rate <= 1 for rate in self.continuation):
            raise ConfigError(f"continuation: {self.continuation}; give a probability in [0, 1] for rank 1, 2, ...")

    def clicks(self, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator) -> NDArray[np.float32]:
        """Clicks on the items of `lists`; see `ClickModel.clicks`."""
        probability = checked_relevance(lists, relevance)
        rank = np.arange(len(probability)) - lists.offsets[lists.list_index]
        rate = np.asarray(self.continuation)[np.minimum(rank, len(self.continuation) - 1)]
        goes_on = rng.random(len(rate)) < rate
        attracted = rng.random(len(probability)) < probability
        stops = np.concatenate([[0], np.cumsum(attracted & ~goes_on)])
        # The first stop ends the list; what was read before it was read by a user who had not stopped.
        stopped_above = stops[:-1] - stops[lists.offsets[lists.list_index]] > 0
        return (attracted & ~stopped_above).astype(np.float32)
