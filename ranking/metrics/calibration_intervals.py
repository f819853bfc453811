"""How far scores and rates agree over bins of equal mass, with intervals by request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.metrics.calibration import SMALLEST_PROBABILITY, bins_of_mass
from ranking.metrics.interval_streams import IntervalStreams
from ranking.metrics.intervals import UNDEFINED, MetricInterval
from seriatim_errors import DataError

HALF_NORMAL_MEAN = (2.0 / np.pi) ** 0.5


@dataclass(frozen=True)
class CalibrationBin:
    """Items of about one prediction.

    Attributes:
        predicted: mean prediction.
        observed: mean outcome; `count` is requests with an item in the bin.
        items: how many.
    """

    predicted: float
    observed: MetricInterval
    items: int


@dataclass(frozen=True)
class Calibration:
    """Predictions against outcomes.

    Attributes:
        bins: in ascending order of prediction.
        error: the mean distance of `predicted` and `observed` over the items (expected calibration error).
        error_by_chance: about what that would be without miscalibration, from the width of the bins' intervals.
        brier: mean squared distance of prediction and outcome.
        log_loss: mean negative log-likelihood, in nats.
    """

    bins: tuple[CalibrationBin, ...]
    error: float
    error_by_chance: float
    brier: MetricInterval
    log_loss: MetricInterval


@dataclass(frozen=True)
class Predictions:
    """Predictions of the items of all requests, and what became of them.

    Attributes:
        predicted: float `[items]`, finite.
        outcome: float `[items]`, in [0, 1]: whether the item was clicked, or its share of the request's clicks.
        request: int `[items]`, in 0 to requests - 1.
        requests: how many.

    Raises:
        DataError: the arrays do not match or leave their range, or there is no item.
    """

    predicted: NDArray[np.floating]
    outcome: NDArray[np.floating]
    request: NDArray[np.integer]
    requests: int

    def __post_init__(self) -> None:
        shapes = {np.shape(each) for each in (self.predicted, self.outcome, self.request)}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise DataError(f"predicted, outcome, request: shapes {sorted(shapes)}; give one of each an item")
        if len(self.predicted) == 0:
            raise DataError("predicted: no item, so there is nothing to calibrate; give at least one")
        if not np.isfinite(self.predicted).all():
            raise DataError("predicted: not all finite; leave out items without a prediction")
        if not ((self.outcome >= 0) & (self.outcome <= 1)).all():
            raise DataError(f"outcome: {self.outcome.min()} to {self.outcome.max()}; give shares in [0, 1]")


def rates_by_score(
    given: Predictions, bins: int = 10, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> tuple[CalibrationBin, ...]:
    """The mean outcome in bins of equal mass of any score, which need not be a probability.

    Args:
        given: scores and outcomes.
        bins: >= 1.
        confidence, samples, seed: as in `bootstrap_interval`.
    """
    return _binned(given, bins, IntervalStreams(confidence, samples, seed), {})[0]


def calibration(
    given: Predictions, bins: int = 10, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> Calibration:
    """How well probabilities are calibrated.

    Args:
        given: probabilities and outcomes.
        bins: >= 1.
        confidence, samples, seed: as in `bootstrap_interval`.

    Raises:
        DataError: a prediction is no probability.

    Source: as `expected_calibration_error`, `brier_score` and `log_loss`, which give the same values for outcomes of
    0 and 1.
    """
    from scipy.special import ndtri

    predicted, outcome = given.predicted.astype(np.float64), given.outcome.astype(np.float64)
    if not ((predicted >= 0) & (predicted <= 1)).all():
        raise DataError(f"predicted: {predicted.min()} to {predicted.max()}; give probabilities in [0, 1]")
    likely = np.clip(predicted, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    losses = {
        # Of a share of clicks the mean over the clicks and the rest, as if every click were an item of its own.
        "brier": outcome * (1.0 - predicted) ** 2 + (1.0 - outcome) * predicted**2,
        "log_loss": -outcome * np.log(likely) - (1.0 - outcome) * np.log1p(-likely),
    }
    streams = IntervalStreams[object](confidence, samples, seed)
    table, found = _binned(given, bins, streams, losses)
    mass = np.array([one.items for one in table]) / len(predicted)
    distances = np.array([abs(one.predicted - one.observed.value) for one in table])
    half = np.array([(one.observed.high - one.observed.low) / 2.0 for one in table])
    errors = half / float(ndtri(0.5 + confidence / 2.0))
    return Calibration(
        bins=table,
        error=float(mass @ distances),
        error_by_chance=float(HALF_NORMAL_MEAN * mass @ errors),
        brier=found["brier"],
        log_loss=found["log_loss"],
    )


def _binned(
    given: Predictions, bins: int, streams: IntervalStreams[object], others: dict[str, NDArray[np.float64]]
) -> tuple[tuple[CalibrationBin, ...], dict[str, MetricInterval]]:
    """The bins, and the means over items of `others`, all from the same resamples of the requests."""
    predicted = given.predicted.astype(np.float64)
    place = bins_of_mass(predicted, np.full(len(predicted), 1.0 / len(predicted)), bins)
    items = np.bincount(place)
    lowest, highest = np.full(len(items), np.inf), np.full(len(items), -np.inf)
    np.minimum.at(lowest, place, predicted)
    np.maximum.at(highest, place, predicted)
    # Sums of equal scores are rounded: without this a bin could fall behind the one before it in the last digit.
    means = np.clip(np.bincount(place, predicted) / items, lowest, highest)
    for number in range(len(items)):
        of_bin = place == number
        _add_mean(streams, number, given.outcome[of_bin], given.request[of_bin], given.requests)
    for name, values in others.items():
        _add_mean(streams, name, values, given.request, given.requests)
    found = streams.intervals()
    table = tuple(
        CalibrationBin(float(means[number]), found.get(number, UNDEFINED), int(items[number]))
        for number in range(len(items))
    )
    return table, {name: found[name] for name in others}


def _add_mean(
    streams: IntervalStreams[object],
    name: object,
    values: NDArray[np.floating],
    request: NDArray[np.integer],
    requests: int,
) -> None:
    """The mean over items, as a ratio of what each request adds up to."""
    counts = np.bincount(request, minlength=requests).astype(np.float64)
    sums = np.bincount(request, values, requests)
    streams.add({name: sums / np.maximum(counts, 1.0)}, {name: counts})
