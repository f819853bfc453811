"""Bootstrap intervals: how far a mean over requests could have come out otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.request_sums import RequestSums
from ranking.metrics.resampling import interval_ends, resampled_sums
from seriatim_errors import DataError

# Ratios whose numerators and denominators are multiplied with the same draws at once.
RATIOS_AT_ONCE = 64


@dataclass(frozen=True)
class MetricInterval:
    """A measured value with its confidence interval.

    Attributes:
        value: the statistic on the data themselves; nan when `count` is 0.
        low, high: ends of the interval; nan when `count` is 0.
        count: how many requests (or trials) the value rests on.
    """

    value: float
    low: float
    high: float
    count: int


UNDEFINED = MetricInterval(float("nan"), float("nan"), float("nan"), 0)


def bootstrap_interval(
    values: ArrayLike,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> MetricInterval:
    """The (weighted) mean of a metric over requests with its bootstrap interval.

    Where the ends lie among the resampled means says `interval_ends`. Beyond `request_sums.GROUPS` requests, random
    groups of them are drawn in their place (`RequestSums`).

    >>> bootstrap_interval([1.0, 1.0, float("nan")])
    MetricInterval(value=1.0, low=1.0, high=1.0, count=2)

    Args:
        values: float `[requests]`, the metric of each; nan where it is undefined, which is left out.
        confidence: probability in (0, 1) that the interval is meant to cover the true mean with.
        samples: resamples of the requests, >= 1.
        seed: fixes the resamples; the same seed and count give the same ones, whatever the metric.
        weights: float `[requests]`, >= 0, of the mean (see `list_weights`); requests of weight 0 are left out.
            A request keeps its weight when it is drawn. None: all equal.

    Raises:
        DataError: a value is infinite, or a weight is not finite or negative.
        ValueError: `values` or `weights` is not one a request, or `confidence` or `samples` is out of range.

    Source: Efron and Tibshirani, "An introduction to the bootstrap", chapters 6 and 13.
    """
    above, below = checked_values(values, weights)
    return bootstrap_ratio_interval(above, below, confidence, samples, seed)


def paired_difference_interval(
    candidate: ArrayLike,
    reference: ArrayLike,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> MetricInterval:
    """The mean of `candidate - reference` over the requests where both are defined, with its interval.

    Pairing by request removes what both share (hard and easy requests), so the interval is about the
    difference alone.

    Args:
        candidate, reference: float `[requests]`, the same metric of the same requests; nan where undefined.
        confidence, samples, seed, weights: as in `bootstrap_interval`.

    Raises:
        DataError: as in `bootstrap_interval`.
        ValueError: the shapes differ, or as in `bootstrap_interval`.
    """
    return bootstrap_interval(paired(candidate, reference), confidence, samples, seed, weights)


def bootstrap_ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> MetricInterval:
    """The sum of `numerators` over the sum of `denominators`, with its interval by request.

    The form of every rate whose trials come in clusters (items of a request) and of self-normalised
    estimates: whole requests are drawn, so dependence within a request widens the interval as it should.

    Args:
        numerators, denominators: float `[requests]`, finite, denominators >= 0; the sums of each request.
        confidence, samples, seed: as in `bootstrap_interval`.

    Returns:
        The interval; undefined (nan, count 0) without requests or when all denominators are 0.

    Raises:
        DataError: a numerator or denominator is not finite, or a denominator is negative.
        ValueError: the shapes differ, or as in `bootstrap_interval`.
    """
    check_bootstrap(confidence, samples)
    above, below = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if above.ndim != 1 or above.shape != below.shape:
        raise ValueError(f"numerators have shape {above.shape}, denominators {below.shape}; give one of each a request")
    sums = RequestSums(2)
    sums.add(checked_sums(above, below))
    return intervals_of_sums([sums], confidence, samples, seed)[0]


def intervals_of_sums(
    ratios: Sequence[RequestSums], confidence: float, samples: int, seed: int
) -> list[MetricInterval]:
    """The interval of each ratio of two sums; those of as many requests share their resamples.

    Args:
        ratios: numerators and denominators of the requests, two columns each.
        confidence, samples, seed: as in `bootstrap_interval`.
    """
    found = [UNDEFINED] * len(ratios)
    by_rows: dict[int, list[int]] = {}
    for place, sums in enumerate(ratios):
        by_rows.setdefault(len(sums.rows), []).append(place)
    for count, places in by_rows.items():
        for start in range(0, len(places) if count else 0, RATIOS_AT_ONCE):
            chosen = places[start : start + RATIOS_AT_ONCE]
            drawn = resampled_sums(np.concatenate([ratios[place].rows for place in chosen], axis=1), samples, seed)
            for column, place in enumerate(chosen):
                found[place] = _interval(ratios[place], drawn[:, 2 * column : 2 * column + 2], confidence)
    return found


def checked_values(values: ArrayLike, weights: ArrayLike | None) -> NDArray[np.float64]:
    """Weighted values and weights of the requests that count, float64 `[2, requests]`.

    Args, raises: `values` and `weights` as in `bootstrap_interval`.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"values: shape {numbers.shape}; give one value a request")
    importance = np.ones_like(numbers) if weights is None else np.asarray(weights, np.float64)
    if importance.shape != numbers.shape:
        raise ValueError(f"weights: shape {importance.shape} for {len(numbers)} values; give one weight a request")
    _check_sums("weights", importance, importance >= 0)
    counts = ~np.isnan(numbers) & (importance > 0)
    numbers, importance = numbers[counts], importance[counts]
    return checked_sums(importance * numbers, importance)


def paired(candidate: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """`candidate - reference`, nan where either is undefined.

    Raises:
        ValueError: the shapes differ.
    """
    one, other = np.asarray(candidate, np.float64), np.asarray(reference, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"candidate has shape {one.shape}, reference {other.shape}; compare the same requests")
    return one - other


def checked_sums(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numerators and denominators together, float64 `[2, requests]`.

    Raises:
        DataError: as in `bootstrap_ratio_interval`.
    """
    _check_sums("numerators", above, np.isfinite(above))
    _check_sums("denominators", below, below >= 0)
    return np.stack([above, below])


def check_bootstrap(confidence: float, samples: int) -> None:
    """Refuse settings of a bootstrap that are out of range.

    Raises:
        ValueError: `confidence` is not in (0, 1) or `samples` is below 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence}; give a probability between 0 and 1, such as 0.95")
    if samples < 1:
        raise ValueError(f"samples: {samples}; draw at least one resample, better 1000")


def _interval(sums: RequestSums, drawn: NDArray[np.float64], confidence: float) -> MetricInterval:
    above, below = sums.rows.T
    total = below.sum()
    if total == 0:
        return UNDEFINED
    value = float(above.sum() / total)
    ratios = drawn[drawn[:, 1] > 0]
    if len(ratios) == 0:
        return MetricInterval(value, value, value, sums.count)
    low, high = interval_ends(ratios[:, 0] / ratios[:, 1], above - value * below, confidence)
    return MetricInterval(value, low, high, sums.count)


def _check_sums(name: str, values: NDArray[np.float64], good: NDArray[np.bool_]) -> None:
    bad = ~(good & np.isfinite(values))
    if bad.any():
        request = int(np.argmax(bad))
        raise DataError(f"{name}: request {request} has {values[request]}; give finite values, weights at least 0")
