"""Maximal marginal relevance: the next item is relevant and unlike those already placed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.ranker import FittedRanker
from ranking.base_rankers.relevance_labels import Label
from ranking.lists import RankingLists
from ranking.rivals.diversity import Geometry, best_trade_off, check_sizes, median_distances
from seriatim_errors import ConfigError

Similarity = Literal["linear", "gaussian", "near"]


@dataclass(frozen=True, kw_only=True)
class MMR:
    """A plan for maximal marginal relevance; its trade-off is the one that ranks the validation lists best.

    Attributes:
        relevance: a fitted ranker whose scores, stretched to [0, 1] in each list, are the relevance; None: the
            rank in the lists' order.
        label: what the trade-off is chosen by, clicks (`clicked`) or grades (`grade`).
        similarity: of two items at distance d (Euclidean, standardised features). `linear`: 1 - d / the list's
            largest; `gaussian`: exp(-d^2 / 2 m^2) with the list's median m; `near`: 1 where d <= m, else 0,
            which is the very rule of `DiverseClicks` with its default quantile: a re-ranker that knows the user.
        columns: features that measure distance; None: all.
        trade_offs: values of lambda in [0, 1] to choose from; 1: relevance alone.
        slate_size: items placed; the rest follow by relevance. None: all.

    Raises:
        ConfigError: a setting is outside its range or no known choice.

    Source: Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998.
    """

    relevance: FittedRanker | None = None
    label: Label = "clicked"
    similarity: Similarity = "linear"
    columns: tuple[str, ...] | None = None
    trade_offs: tuple[float, ...] = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
    slate_size: int | None = None

    def __post_init__(self) -> None:
        check_sizes("MMR", self.slate_size, self.trade_offs, highest=1)
        if self.similarity not in get_args(Similarity):
            raise ConfigError(f"MMR similarity: {self.similarity!r}; choose one of {', '.join(get_args(Similarity))}")

    def fit(self, train: RankingLists, validation: RankingLists | None = None) -> FittedMMR:
        """Distances from the items of `train`, lambda from `validation`, or from `train` without it.

        Raises:
            DataError: the label's column or one of `columns` is missing.
            TrainingError: no list that chooses lambda has a relevant item.
        """
        geometry = Geometry.fit(self.relevance, self.columns, train)
        chosen_on = train if validation is None else validation

        def fitted(trade_off: float) -> FittedMMR:
            return FittedMMR(geometry, self.similarity, trade_off, self.slate_size)

        def score(trade_off: float, lists: RankingLists) -> NDArray[np.float64]:
            return fitted(trade_off).score(lists)

        return fitted(best_trade_off(chosen_on, self.label, self.trade_offs, score))


@dataclass(frozen=True)
class FittedMMR:
    """MMR with its lambda, `trade_off`; the other attributes as in `MMR`."""

    geometry: Geometry
    similarity: Similarity
    trade_off: float
    slate_size: int | None

    def score(self, lists: RankingLists) -> NDArray[np.float64]:
        """Minus the new rank, float64 `[items]`.

        Raises:
            DataError: one of the columns is missing.
        """

        def place(relevance: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.int64]:
            similarity = similarities(distances, self.similarity)
            return mmr_order(relevance, similarity, self.trade_off, self.slate_size)

        return self.geometry.placed(lists, place)


def mmr_order(
    relevance: NDArray[np.float64],
    similarity: NDArray[np.float64],
    trade_off: float,
    slate_size: int | None = None,
) -> NDArray[np.int64]:
    """Items in the order in which MMR takes them, int64 `[lists, list_size]`.

    Each step takes the item with the highest `trade_off * relevance - (1 - trade_off) * s`, where s is its
    similarity to the most similar item placed before (0 at the first step); of equals the first in the list.

    Args:
        relevance: float `[lists, list_size]`.
        similarity: float `[lists, list_size, list_size]`.
        trade_off: lambda in [0, 1].
        slate_size: items placed so; the rest follow by falling relevance. None: all.
    """
    count, size = relevance.shape
    every = np.arange(count)
    order = np.argsort(-relevance, axis=1, kind="stable")
    steps = size if slate_size is None else min(slate_size, size)
    nearest = np.full((count, size), -np.inf)
    waiting = np.ones((count, size), bool)
    placed = np.empty((count, steps), np.int64)
    for step in range(steps):
        penalty = nearest if step else np.zeros((count, size))
        marginal = trade_off * relevance - (1 - trade_off) * penalty
        placed[:, step] = taken = np.argmax(np.where(waiting, marginal, -np.inf), axis=1)
        waiting[every, taken] = False
        nearest = np.maximum(nearest, similarity[every, taken])
    rest = order[np.take_along_axis(waiting, order, axis=1)].reshape(count, size - steps)
    return np.concatenate([placed, rest], axis=1)


def similarities(distances: NDArray[np.float64], kind: Similarity) -> NDArray[np.float64]:
    """Similarities in [0, 1] from distances, both float `[lists, list_size, list_size]`; see `MMR`."""
    if kind == "linear":
        largest = distances.max(axis=(1, 2), keepdims=True)
        return 1.0 - np.divide(distances, largest, out=np.zeros(distances.shape), where=largest > 0)
    median = median_distances(distances)
    if kind == "gaussian":
        return np.exp(-0.5 * (distances / median) ** 2)
    return (distances <= median).astype(np.float64)
