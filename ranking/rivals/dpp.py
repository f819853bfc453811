"""A determinantal point process: slates whose items are relevant and span a large volume, found greedily."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.ranker import FittedRanker
from ranking.base_rankers.relevance_labels import Label
from ranking.lists import RankingLists
from ranking.rivals.diversity import Geometry, best_trade_off, check_sizes, median_distances

# A marginal volume below this share of the item's own says that the placed items already span it.
SPANNED = 1e-6
LARGEST_TRADE_OFF = 100.0


@dataclass(frozen=True, kw_only=True)
class DPP:
    """A plan for the greedy slate of a determinantal point process; its trade-off ranks the validation lists best.

    The kernel is `exp(theta * r_i) S_ij exp(theta * r_j)` with relevance r in [0, 1] and the Gaussian similarity
    S of `MMR`; the slate grows by the item that raises the determinant most.

    Attributes:
        relevance: a fitted ranker whose scores, stretched to [0, 1] in each list, are the relevance; None: the
            rank in the lists' order.
        label: what the trade-off is chosen by, clicks (`clicked`) or grades (`grade`).
        columns: features that measure distance; None: all.
        trade_offs: values of theta in [0, 100] to choose from; large: relevance alone.
        slate_size: items placed; the rest follow by relevance.

    Raises:
        ConfigError: a setting is outside its range.

    Source: Chen et al., "Fast greedy MAP inference for determinantal point process", NeurIPS 2018.
    """

    relevance: FittedRanker | None = None
    label: Label = "clicked"
    columns: tuple[str, ...] | None = None
    trade_offs: tuple[float, ...] = (100.0, 20.0, 10.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.2)
    slate_size: int = 10

    def __post_init__(self) -> None:
        check_sizes("DPP", self.slate_size, self.trade_offs, LARGEST_TRADE_OFF)

    def fit(self, train: RankingLists, validation: RankingLists | None = None) -> FittedDPP:
        """Distances from the items of `train`, theta from `validation`, or from `train` without it.

        Raises:
            DataError: the label's column or one of `columns` is missing.
            TrainingError: no list that chooses theta has a relevant item.
        """
        geometry = Geometry.fit(self.relevance, self.columns, train)
        chosen_on = train if validation is None else validation

        def fitted(trade_off: float) -> FittedDPP:
            return FittedDPP(geometry, trade_off, self.slate_size)

        def score(trade_off: float, lists: RankingLists) -> NDArray[np.float64]:
            return fitted(trade_off).score(lists)

        return fitted(best_trade_off(chosen_on, self.label, self.trade_offs, score))


@dataclass(frozen=True)
class FittedDPP:
    """The process with its theta, `trade_off`; the other attributes as in `DPP`."""

    geometry: Geometry
    trade_off: float
    slate_size: int

    def score(self, lists: RankingLists) -> NDArray[np.float64]:
        """Minus the new rank, float64 `[items]`.

        Raises:
            DataError: one of the columns is missing.
        """

        def place(relevance: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.int64]:
            similarity = np.exp(-0.5 * (distances / median_distances(distances)) ** 2)
            return dpp_order(relevance, similarity, self.trade_off, self.slate_size)

        return self.geometry.placed(lists, place)


def dpp_order(
    relevance: NDArray[np.float64], similarity: NDArray[np.float64], trade_off: float, slate_size: int
) -> NDArray[np.int64]:
    """Items in the order in which the greedy slate takes them, int64 `[lists, list_size]`.

    Each step takes the item with the highest `2 * trade_off * relevance + log v`, where v is what the item adds
    to the volume of the similarities of those placed: its squared distance from their span. The rest, and what
    the placed items already span, follow by falling relevance.

    Args:
        relevance: float `[lists, list_size]`.
        similarity: float `[lists, list_size, list_size]`, positive semi-definite with a diagonal of 1.
        trade_off: theta, >= 0.
        slate_size: most items placed so.
    """
    count, size = relevance.shape
    steps, every = min(slate_size, size), np.arange(count)
    volume = np.ones((count, size))
    factors = np.zeros((count, size, steps))
    place = np.full((count, size), steps)
    for step in range(steps):
        free = (place == steps) & (volume > SPANNED)
        gain = 2 * trade_off * relevance + np.log(np.where(free, volume, 1.0))
        taken = np.argmax(np.where(free, gain, -np.inf), axis=1)
        goes_on = free.any(axis=1)
        place[every[goes_on], taken[goes_on]] = step
        root = np.sqrt(np.where(goes_on, volume[every, taken], 1.0))[:, None]
        projected = np.einsum("ls,lis->li", factors[every, taken], factors)
        column = np.where(goes_on[:, None], (similarity[every, taken] - projected) / root, 0.0)
        factors[:, :, step] = column
        volume = np.maximum(volume - column**2, 0.0)
    return np.lexsort((-relevance, place)).astype(np.int64)
