"""What rankers that trade relevance for variety share: relevance, distances and the choice of the trade-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.held_out import held_out_lists, held_out_ndcg
from ranking.base_rankers.ranker import FittedRanker
from ranking.base_rankers.relevance_labels import Label
from ranking.click_models.similarity import MAX_PAIRS, pairwise_distances
from ranking.lists import RankingLists
from ranking.standardisation import Standardisation
from seriatim_errors import ConfigError, DataError

# Relevance float64 `[lists, list_size]` in [0, 1] and distances float64 `[lists, list_size, list_size]` of lists of one
# size -> the items in their new order, int64 `[lists, list_size]`.
Placement = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Geometry:
    """Where relevance comes from and how far apart items are.

    Attributes:
        relevance: scores the items; None: the rank in the lists' present order.
        columns: names of the features that measure distance.
        standardisation: of those columns.
    """

    relevance: FittedRanker | None
    columns: tuple[str, ...]
    standardisation: Standardisation

    @classmethod
    def fit(cls, relevance: FittedRanker | None, columns: Sequence[str] | None, train: RankingLists) -> Geometry:
        """Distances over `columns` (None: all features), standardised on the items of `train`.

        Raises:
            DataError: a column is unknown, or there is none, or no item.
        """
        names = tuple(train.feature_names if columns is None else columns)
        if not names:
            raise DataError("columns: no feature measures distance; give at least one column")
        return cls(relevance, names, Standardisation.fit(_columns(train, names)))

    def placed(self, lists: RankingLists, place: Placement) -> NDArray[np.float64]:
        """Minus the new rank of every item, float64 `[items]`, when `place` orders each list.

        Raises:
            DataError: a column is unknown.
        """
        features = self.standardisation.apply(_columns(lists, self.columns))
        relevance = None if self.relevance is None else np.asarray(self.relevance.score(lists), np.float64)
        scores = np.zeros(len(lists.item_ids), np.float64)
        longest = int(lists.list_sizes.max(initial=1))
        for rows in lists.rows_by_list_size(max_items=max(1, MAX_PAIRS // longest)):
            given = -np.arange(rows.shape[1], dtype=np.float64) if relevance is None else relevance[rows]
            order = place(unit_range(np.broadcast_to(given, rows.shape)), pairwise_distances(features[rows]))
            scores[np.take_along_axis(rows, order, axis=1)] = -np.arange(rows.shape[1], dtype=np.float64)
        return scores


def unit_range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each list's values, `[lists, list_size]`, moved and stretched to [0, 1]; all 0 where they are equal."""
    low = values.min(axis=1, keepdims=True)
    span = values.max(axis=1, keepdims=True) - low
    return np.divide(values - low, span, out=np.zeros(values.shape), where=span > 0)


def median_distances(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median distance between items of each list, float64 `[lists, 1, 1]`; 1 where it is 0 or without a pair."""
    upper = np.triu_indices(distances.shape[1], k=1)
    if len(upper[0]) == 0:
        return np.ones((len(distances), 1, 1))
    median = np.median(distances[:, upper[0], upper[1]], axis=1)
    return np.where(median > 0, median, 1.0)[:, None, None]


def best_trade_off(
    lists: RankingLists,
    label: Label,
    trade_offs: Sequence[float],
    score: Callable[[float, RankingLists], NDArray[np.float64]],
) -> float:
    """The trade-off with the best mean NDCG@10 on the lists that have a relevant item; the first of equals.

    Raises:
        DataError: the label's column is missing.
        TrainingError: no list has a relevant item.
    """
    counted = held_out_lists(lists, lists.feature_names, label)
    return max(trade_offs, key=lambda value: held_out_ndcg(counted, score(value, counted), label))


def check_sizes(name: str, slate_size: int | None, trade_offs: Sequence[float], highest: float) -> None:
    """Refuse a slate of no item and trade-offs outside [0, highest].

    Raises:
        ConfigError: naming what is wrong.
    """
    if slate_size is not None and slate_size < 1:
        raise ConfigError(f"{name} slate_size: {slate_size}; give 1 or more, or None for whole lists")
    if not trade_offs or not all(0 <= value <= highest for value in trade_offs):
        raise ConfigError(f"{name} trade_offs: {tuple(trade_offs)}; give at least one, each in [0, {highest:g}]")


def _columns(lists: RankingLists, names: tuple[str, ...]) -> NDArray[np.float32]:
    unknown = [name for name in names if name not in lists.feature_names]
    if unknown:
        raise DataError(f"columns: {unknown[0]!r} is no feature; choose of {', '.join(lists.feature_names)}")
    return lists.features[:, [lists.feature_names.index(name) for name in names]]
