"""Click models in which a user examines ranks independently and clicks what is relevant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.lists import RankingLists
from seriatim_errors import ConfigError, DataError


class ClickModel(Protocol):
    """A user who is shown lists in their present order and clicks."""

    def clicks(self, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator) -> NDArray[np.float32]:
        """Clicks on the items of `lists`, float32 `[items]` in {0, 1}.

        Args:
            lists: shown from the first item of each list to the last.
            relevance: bool or float `[items]` in [0, 1], the probability of a click on an examined item.
            rng: source of chance; the same state gives the same clicks.

        Raises:
            DataError: `relevance` does not match the items or leaves [0, 1].
        """


class ExaminationModel(ClickModel, Protocol):
    """A click model whose user first examines ranks, whatever stands there."""

    def examined(self, lists: RankingLists, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Whether each item of `lists` is looked at, bool `[items]`."""


@dataclass(frozen=True)
class Cascade:
    """Rank i is examined with probability `1 / i**eta`, examined relevant items are clicked.

    The name is that of the Seq2Slate protocol; ranks are examined independently, so its distribution is that
    of `PositionBased` with these examination probabilities.

    Attributes:
        eta: severity of position bias, >= 0; 0: every rank is examined.

    Source: "Seq2Slate", arXiv 1810.02019, click generation; the form agrees with allRank's cascade model.
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not self.eta >= 0:
            raise ConfigError(f"eta: {self.eta}; give 0 (no position bias) or more")

    def examined(self, lists: RankingLists, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Whether each item of `lists` is looked at, bool `[items]`."""
        return rng.random(len(lists.item_ids)) < _ranks(lists) ** -float(self.eta)

    def clicks(self, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator) -> NDArray[np.float32]:
        """Clicks on the items of `lists`; see `ClickModel.clicks`."""
        return clicks_where_examined(self, lists, relevance, rng)


@dataclass(frozen=True)
class PositionBased:
    """The position-based model: a click needs examination of the rank and attraction of the item.

    Attributes:
        examination: probability in [0, 1] that rank 1, 2, ... is examined; ranks past the last one given are
            examined as often as the last one.

    Source: Craswell et al., "An experimental comparison of click position-bias models", WSDM 2008.
    """

    examination: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.examination or not all(0 <= theta <= 1 for theta in self.examination):
            raise ConfigError(f"examination: {self.examination}; give a probability in [0, 1] for rank 1, 2, ...")

    def examined(self, lists: RankingLists, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Whether each item of `lists` is looked at, bool `[items]`."""
        last = len(self.examination) - 1
        theta = np.asarray(self.examination)[np.minimum(_ranks(lists).astype(np.int64) - 1, last)]
        return rng.random(len(theta)) < theta

    def clicks(self, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator) -> NDArray[np.float32]:
        """Clicks on the items of `lists`; see `ClickModel.clicks`."""
        return clicks_where_examined(self, lists, relevance, rng)


def clicks_where_examined(
    model: ExaminationModel, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Clicks of a user who clicks each examined item with the probability `relevance`, independently."""
    return examined_and_attracted(model, lists, relevance, rng)[1].astype(np.float32)


def examined_and_attracted(
    model: ExaminationModel, lists: RankingLists, relevance: ArrayLike, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which items are examined and which of those are clicked, bool `[items]` each.

    Every model draws through here and in this order, so that with one seed the click models of this package
    differ only in what they do with the same user.
    """
    probability = checked_relevance(lists, relevance)
    examined = model.examined(lists, rng)
    return examined, examined & (rng.random(len(probability)) < probability)


def _ranks(lists: RankingLists) -> NDArray[np.float64]:
    """1-based rank of every item in its list, float64 `[items]`."""
    return np.arange(1.0, lists.offsets[-1] + 1) - lists.offsets[lists.list_index]


def checked_relevance(lists: RankingLists, relevance: ArrayLike) -> NDArray[np.float64]:
    """`relevance` as float64 `[items]`.

    Raises:
        DataError: it does not match the items or leaves [0, 1].
    """
    probability = np.asarray(relevance, np.float64)
    if probability.shape != (len(lists.item_ids),):
        raise DataError(f"relevance: shape {probability.shape} for {len(lists.item_ids)} items; give one value an item")
    wrong = ~((probability >= 0) & (probability <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"relevance: item {lists.item_ids[row]!r} has {probability[row]}; give probabilities in [0, 1], "
            "for grades for instance `grades >= 1`"
        )
    return probability
