"""Position bias from a log: examination of every position, or its decay, beside the attraction of every item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.click_models.click_counts import ClickCounts, check_positions_compare, logged_clicks
from ranking.click_models.estimate import ClickModelEstimate, bootstrap_ends
from ranking.click_models.examination import Cascade, PositionBased
from ranking.click_models.expectation_maximisation import Vector, log_odds, maximised, probability_of
from ranking.lists import RankingLists

START_ROUNDS, LARGEST_START = 50, 0.9
SMALLEST_ETA, START_ETA, LARGEST_ETA, BISECTIONS = 1e-9, 0.01, 20.0, 60


def fit_position_based(
    lists: RankingLists,
    groups: ArrayLike | None = None,
    samples: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
    tolerance: float = 1e-8,
    max_steps: int = 10_000,
) -> ClickModelEstimate[PositionBased]:
    """Examination by position (theta) and attraction by group (gamma): a click has probability `theta * gamma`.

    Only products are seen, so the scale is fixed: `parameters` are theta relative to position 1, `[positions]`,
    and may exceed 1 where a later position is looked at more. `model` holds the same with its largest
    examination at 1, and `attraction` goes with the model. Positions that no row of the log has count as never
    examined.

    Args:
        lists: with clicks; `positions` where given, else the order in the lists. `weights` count as duplicates.
        groups: `[items]` values whose equals share one attraction, for instance `query/item`; None: item ids.
        samples, confidence, seed: of the bootstrap over requests; 0 samples: no intervals.
        tolerance: nats a round below which the likelihood counts as greatest.
        max_steps: rounds before giving up.

    Raises:
        DataError: there are no clicks or one position only, or items and positions do not vary enough to be told
            apart.
        TrainingError: no convergence within `max_steps`.

    Source: Craswell et al., WSDM 2008 (model); Wang et al., "Position bias estimation for unbiased learning to
    rank in personal search", WSDM 2018, section 4 (expectation maximisation).
    """
    fit = _fitted(lists, groups, _FREE, samples, confidence, seed, tolerance, max_steps)
    theta, largest = fit.theta, float(fit.theta.max())
    return ClickModelEstimate(
        model=PositionBased(tuple(float(value) for value in theta / largest)),
        parameters=theta / theta[0],
        low=fit.low,
        high=fit.high,
        groups=fit.groups,
        attraction=np.minimum(fit.attraction * largest, 1.0),
        log_likelihoods=fit.log_likelihoods,
    )


def fit_examination_decay(
    lists: RankingLists,
    groups: ArrayLike | None = None,
    samples: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
    tolerance: float = 1e-8,
    max_steps: int = 10_000,
) -> ClickModelEstimate[Cascade]:
    """The severity eta >= 0 of examination `1 / position**eta`, and attraction by group: the model `Cascade`.

    One number instead of one a position, so it takes fewer clicks than `fit_position_based`, and is right only
    where examination falls that way. `parameters` is eta, `[1]`.

    Args and raises as in `fit_position_based`.

    Source: "Seq2Slate", arXiv 1810.02019, click generation, fitted by greatest likelihood.
    """
    fit = _fitted(lists, groups, _DECAY, samples, confidence, seed, tolerance, max_steps)
    eta = _eta(fit.parameters)
    return ClickModelEstimate(
        model=Cascade(eta),
        parameters=np.array([eta]),
        low=fit.low,
        high=fit.high,
        groups=fit.groups,
        attraction=fit.attraction,
        log_likelihoods=fit.log_likelihoods,
    )


@dataclass(frozen=True)
class _Examination:
    """How examination depends on its parameters.

    Attributes:
        theta: parameters to probabilities by position, given the number of positions.
        start: a guess of theta to parameters.
        best: the parameters that expected examinations and impressions by position make likeliest.
        reported: theta and parameters to what is reported.
    """

    theta: Callable[[Vector, int], Vector]
    start: Callable[[Vector], Vector]
    best: Callable[[Vector, Vector], Vector]
    reported: Callable[[Vector, Vector], Vector]


@dataclass(frozen=True)
class _Fit:
    theta: Vector
    parameters: Vector
    low: Vector | None
    high: Vector | None
    groups: NDArray
    attraction: Vector
    log_likelihoods: tuple[float, ...]


def _fitted(
    lists: RankingLists,
    groups: ArrayLike | None,
    examination: _Examination,
    samples: int,
    confidence: float,
    seed: int,
    tolerance: float,
    max_steps: int,
) -> _Fit:
    log = logged_clicks(lists, groups)
    counts = ClickCounts.of(log)
    check_positions_compare(counts, log)
    problem = _Problem(counts, len(log.groups), examination)
    found, trace = maximised(problem.start(), problem.step, problem.log_likelihood, tolerance, max_steps)
    theta, gamma = problem.unpacked(found)

    def refitted(weights: NDArray[np.float64]) -> Vector | None:
        again = _Problem(counts.recounted(log, weights), len(log.groups), examination)
        if not again.counts.clicked[again.counts.position == 0].any():
            return None
        other, _ = maximised(again.start(), again.step, again.log_likelihood, 1e-6, max_steps)
        return examination.reported(again.unpacked(other)[0], other)

    low, high = bootstrap_ends(log, refitted, samples, confidence, seed)
    return _Fit(theta, found[: problem.split], low, high, log.groups, gamma, trace)


class _Problem:
    """Clicks with probability theta by position times gamma by group; parameters are theta's, then log odds of gamma.

    Cells of a group without a click say nothing of theta, and their gamma is 0.
    """

    def __init__(self, counts: ClickCounts, groups: int, examination: _Examination) -> None:
        self.counts, self.groups, self.examination = counts, groups, examination
        self.positions = int(counts.position.max()) + 1
        self.active = np.bincount(counts.group, counts.clicked, minlength=groups) > 0
        cells = self.active[counts.group] & (counts.shown > 0)
        self.place = (np.cumsum(self.active) - 1)[counts.group[cells]]
        self.position = counts.position[cells]
        self.shown, self.clicked = counts.shown[cells], counts.clicked[cells]
        self.at_position = self._by_position(self.shown)
        self.of_group = self._by_group(self.shown)
        self.split = len(examination.start(np.full(self.positions, 0.5)))

    def start(self) -> Vector:
        """Where clicks are rare this is the answer: clicks of a cell near `shown * theta * gamma`, fitted by turns."""
        theta = np.ones(self.positions)
        at_position, of_group = self._by_position(self.clicked), self._by_group(self.clicked)
        for _ in range(START_ROUNDS):
            gamma = of_group / self._by_group(self.shown * theta[self.position])
            expected = self._by_position(self.shown * gamma[self.place])
            theta = np.where(expected > 0, at_position / np.where(expected > 0, expected, 1.0), 0.0)
        scale = LARGEST_START / theta.max()
        # Away from 1, where expectation maximisation would stay for ever.
        gamma = np.minimum(gamma / scale, LARGEST_START)
        return np.concatenate([self.examination.start(theta * scale), log_odds(gamma)])

    def step(self, parameters: Vector) -> Vector:
        theta, gamma = self._probabilities(parameters)
        both = theta * gamma
        unclicked = (self.shown - self.clicked) / (1.0 - both)
        examined = self._by_position(self.clicked + unclicked * theta * (1.0 - gamma))
        attracted = self._by_group(self.clicked + unclicked * gamma * (1.0 - theta))
        best = self.examination.best(examined, self.at_position)
        return np.concatenate([best, log_odds(attracted / self.of_group)])

    def log_likelihood(self, parameters: Vector) -> float:
        theta, gamma = self._probabilities(parameters)
        both = theta * gamma
        return float((self.clicked * np.log(both) + (self.shown - self.clicked) * np.log1p(-both)).sum())

    def unpacked(self, parameters: Vector) -> tuple[Vector, Vector]:
        """Theta by position and gamma by group."""
        gamma = np.zeros(self.groups)
        gamma[self.active] = probability_of(parameters[self.split :])
        return self.examination.theta(parameters[: self.split], self.positions), gamma

    def _probabilities(self, parameters: Vector) -> tuple[Vector, Vector]:
        theta = self.examination.theta(parameters[: self.split], self.positions)
        return theta[self.position], probability_of(parameters[self.split :])[self.place]

    def _by_position(self, values: Vector) -> Vector:
        return np.bincount(self.position, values, minlength=self.positions).astype(np.float64)

    def _by_group(self, values: Vector) -> Vector:
        return np.bincount(self.place, values, minlength=int(self.active.sum())).astype(np.float64)


def _eta(parameters: Vector) -> float:
    """The first parameter is the logarithm of eta, so that no step leads out of its range."""
    return float(np.exp(np.clip(parameters[0], np.log(SMALLEST_ETA), np.log(LARGEST_ETA))))


def _decayed(parameters: Vector, positions: int) -> Vector:
    return np.arange(1.0, positions + 1.0) ** -_eta(parameters)


def _decay_near(theta: Vector) -> Vector:
    """The eta whose decay is nearest to theta, by least squares of the logarithms."""
    ranks = np.log(np.arange(1.0, len(theta) + 1.0))
    seen = theta > 0
    logs = np.log(np.where(seen, theta, 1.0)) - np.log(theta[0])
    eta = -(ranks * logs * seen).sum() / max((ranks**2 * seen).sum(), 1e-9)
    return np.log(np.clip([eta], START_ETA, LARGEST_ETA))


def _best_decay(examined: Vector, shown: Vector) -> Vector:
    """The root in eta of the falling derivative of `sum examined log theta + (shown - examined) log(1 - theta)`."""
    ranks = np.arange(1.0, len(shown) + 1.0)[1:]
    looked, skipped = examined[1:], (shown - examined)[1:]
    low, high = SMALLEST_ETA, LARGEST_ETA
    for _ in range(BISECTIONS):
        eta = 0.5 * (low + high)
        slope = (np.log(ranks) * (skipped / np.expm1(eta * np.log(ranks)) - looked)).sum()
        low, high = (eta, high) if slope > 0 else (low, eta)
    return np.log([0.5 * (low + high)])


_FREE = _Examination(
    theta=lambda parameters, positions: probability_of(parameters),
    start=log_odds,
    best=lambda examined, shown: log_odds(examined / np.where(shown > 0, shown, 1.0)),
    reported=lambda theta, parameters: theta / theta[0],
)
_DECAY = _Examination(
    theta=_decayed,
    start=_decay_near,
    best=_best_decay,
    reported=lambda theta, parameters: np.array([_eta(parameters)]),
)
