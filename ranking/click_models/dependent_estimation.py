"""Attraction and continuation from a log of users who read from the top and may stop after a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.click_models.click_counts import LoggedClicks, logged_clicks
from ranking.click_models.dependent import DependentClicks
from ranking.click_models.estimate import ClickModelEstimate, bootstrap_ends
from ranking.click_models.expectation_maximisation import Vector, log_odds, maximised, probability_of
from ranking.lists import RankingLists
from seriatim_errors import DataError

START_CONTINUATION = 0.5


def fit_first_click(lists: RankingLists, groups: ArrayLike | None = None) -> ClickModelEstimate[DependentClicks]:
    """The cascade model: everything down to the first click is read, nothing below it.

    The likeliest attraction has a closed form: a group's clicks over its impressions down to the first click.
    `parameters` is empty. A group that nobody can have read counts as attracting nobody.

    Args:
        lists: whole lists with clicks, shown by `positions` where given, else in their order. All items of a list
            have one weight, which counts as duplicates.
        groups: `[items]` values whose equals share one attraction; None: item ids.

    Raises:
        DataError: there are no clicks, a list has two, or its weights differ.

    Source: Craswell et al., WSDM 2008, section 3.4 (the cascade model).
    """
    log = _in_reading_order(lists, groups)
    problem = _Problem(log, log.weights)
    crowded = np.flatnonzero(np.bincount(log.list_index, log.clicked) > 1)
    if len(crowded):
        raise DataError(
            f"clicks: request {lists.request_ids[crowded[0]]!r} has more than one, which the cascade model rules "
            "out; use fit_dependent_clicks"
        )
    read = np.where(problem.below, 0.0, log.weights)
    impressions = np.maximum(problem.by_group(read), np.finfo(float).tiny)
    attraction = problem.by_group(np.where(log.clicked, read, 0.0)) / impressions
    inside = np.clip(attraction, 1e-300, None)[log.group]
    left = np.clip(1.0 - attraction, 1e-300, None)[log.group]
    likelihood = float((read * np.where(log.clicked, np.log(inside), np.log(left))).sum())
    none = np.zeros(0)
    return ClickModelEstimate(DependentClicks((0.0,)), none, none, none, log.groups, attraction, (likelihood,))


def fit_dependent_clicks(
    lists: RankingLists,
    groups: ArrayLike | None = None,
    samples: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
    tolerance: float = 1e-8,
    max_steps: int = 10_000,
) -> ClickModelEstimate[DependentClicks]:
    """The dependent click model: continuation after a click by rank, and attraction by group, of greatest likelihood.

    Whether a user stopped after the last click, or read on and found nothing, is not seen; expectation
    maximisation weighs both. `parameters` are the continuations of rank 1, 2, ... down to the last rank but one
    of the longest list. A rank without a click that something stands below takes the continuation of all ranks
    together.

    Args:
        lists: as in `fit_first_click`, with any number of clicks.
        groups: `[items]` values whose equals share one attraction; None: item ids.
        samples, confidence, seed: of the bootstrap over requests; 0 samples: no intervals.
        tolerance: nats a round below which the likelihood counts as greatest.
        max_steps: rounds before giving up.

    Raises:
        DataError: there are no clicks that something stands below, or weights differ within a list.
        TrainingError: no convergence within `max_steps`.

    Source: Guo, Liu and Wang, WSDM 2009; theirs maximises a lower bound, this the likelihood itself.
    """
    log = _in_reading_order(lists, groups)
    problem = _Problem(log, log.weights)
    if not problem.clicks_at_rank.any():
        raise DataError(
            "clicks: none has an item below it, so that reading on after a click is not identifiable; "
            "take longer lists or fit_first_click"
        )
    found, trace = maximised(problem.start(), problem.step, problem.log_likelihood, tolerance, max_steps)

    def refitted(weights: NDArray[np.float64]) -> Vector | None:
        again = _Problem(log, weights)
        if not again.clicks_at_rank.any():
            return None
        return again.unpacked(maximised(again.start(), again.step, again.log_likelihood, 1e-6, max_steps)[0])[0]

    continuation, attraction = problem.unpacked(found)
    low, high = bootstrap_ends(log, refitted, samples, confidence, seed)
    model = DependentClicks(tuple(float(rate) for rate in continuation))
    return ClickModelEstimate(model, continuation, low, high, log.groups, attraction, trace)


class _Problem:
    """A log in reading order; parameters are log odds of continuation by rank, then of attraction by clicked group."""

    def __init__(self, log: LoggedClicks, weights: NDArray[np.float64]) -> None:
        self.log, self.weights = log, weights
        starts = np.flatnonzero(np.diff(log.list_index, prepend=-1))
        self.list_of = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(log.clicked)))
        rows = np.arange(len(log.clicked))
        self.rank = rows - starts[self.list_of]
        last_row = np.append(starts[1:], len(rows)) - 1
        last_click = np.full(len(starts), -1)
        np.maximum.at(last_click, self.list_of, np.where(log.clicked, rows, -1))
        self.below = (last_click >= 0)[self.list_of] & (rows > last_click[self.list_of])
        open_end = last_click < last_row
        # Clicks that something stands below: only there does reading on make a difference.
        self.followed = np.flatnonzero(log.clicked & (rows < last_click[self.list_of]))
        self.ending = last_click[(last_click >= 0) & open_end]
        self.ranks = max(int(self.rank.max()), 1)
        self.clicks_at_rank = self._by_rank(self.followed, weights) + self._by_rank(self.ending, weights)
        self.active = self.by_group(np.where(log.clicked, weights, 0.0)) > 0

    def by_group(self, values: Vector) -> Vector:
        return np.bincount(self.log.group, values, minlength=len(self.log.groups)).astype(np.float64)

    def start(self) -> Vector:
        read = np.where(self.below, START_CONTINUATION, 1.0) * self.weights
        clicks = self.by_group(np.where(self.log.clicked, self.weights, 0.0))[self.active]
        attraction = clicks / self.by_group(read)[self.active]
        return np.concatenate([np.full(self.ranks, log_odds(np.array([START_CONTINUATION]))[0]), log_odds(attraction)])

    def step(self, parameters: Vector) -> Vector:
        continuation, attraction = self.unpacked(parameters)
        went_on = self._went_on(continuation, attraction)
        by_list = np.zeros(int(self.list_of.max()) + 1)
        by_list[self.list_of[self.ending]] = went_on
        read = self.weights * np.where(self.below, by_list[self.list_of], 1.0)
        clicks = self.by_group(np.where(self.log.clicked, self.weights, 0.0))[self.active]
        continued = self._by_rank(self.followed, self.weights)
        continued += np.bincount(self.rank[self.ending], self.weights[self.ending] * went_on, minlength=self.ranks)
        pooled = continued.sum() / self.clicks_at_rank.sum()
        seen = self.clicks_at_rank > 0
        rates = np.where(seen, continued / np.where(seen, self.clicks_at_rank, 1.0), pooled)
        return np.concatenate([log_odds(rates), log_odds(clicks / self.by_group(read)[self.active])])

    def log_likelihood(self, parameters: Vector) -> float:
        continuation, attraction = self.unpacked(parameters)
        gamma = attraction[self.log.group]
        by_row = np.where(self.log.clicked, np.log(np.where(self.log.clicked, gamma, 1.0)), np.log1p(-gamma))
        read = (self.weights * np.where(self.below, 0.0, by_row)).sum()
        rates = continuation[np.minimum(self.rank, self.ranks - 1)]
        followed = (self.weights * np.log(rates))[self.followed].sum()
        rate, nothing = rates[self.ending], self._nothing_below(attraction)
        return float(read + followed + (self.weights[self.ending] * np.log1p(-rate * (1.0 - nothing))).sum())

    def unpacked(self, parameters: Vector) -> tuple[Vector, Vector]:
        """Continuation by rank and attraction by group."""
        attraction = np.zeros(len(self.active))
        attraction[self.active] = probability_of(parameters[self.ranks :])
        return probability_of(parameters[: self.ranks]), attraction

    def _went_on(self, continuation: Vector, attraction: Vector) -> Vector:
        """Probability of having read on after each last click, given that nothing below was clicked."""
        rate, nothing = continuation[self.rank[self.ending]], self._nothing_below(attraction)
        return rate * nothing / (1.0 - rate * (1.0 - nothing))

    def _nothing_below(self, attraction: Vector) -> Vector:
        """Probability that nothing below each last click attracts."""
        logs = np.where(self.below, np.log1p(-attraction[self.log.group]), 0.0)
        return np.exp(np.bincount(self.list_of, logs)[self.list_of[self.ending]])

    def _by_rank(self, rows: NDArray[np.int64], weights: Vector) -> Vector:
        return np.bincount(self.rank[rows], weights[rows], minlength=self.ranks).astype(np.float64)


def _in_reading_order(lists: RankingLists, groups: ArrayLike | None) -> LoggedClicks:
    log = logged_clicks(lists, groups)
    order = np.lexsort((log.position, log.list_index))
    weights, list_index = log.weights[order], log.list_index[order]
    uneven = (np.diff(weights) != 0) & (np.diff(list_index) == 0)
    if uneven.any():
        request = lists.request_ids[list_index[int(np.argmax(uneven))]]
        raise DataError(f"weights: those of request {request!r} differ; a list that is read counts as a whole")
    return LoggedClicks(log.clicked[order], log.position[order], log.group[order], log.groups, list_index, weights)
