"""Bootstrap intervals: how far a mean over requests could have come out otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seriatim_errors import DataError

BLOCK_VALUES = 1 << 22


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
    """The (weighted) mean of a metric over requests with its percentile bootstrap interval.

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

    Source: Efron and Tibshirani, "An introduction to the bootstrap", chapter 13.
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
    return bootstrap_ratio_interval(importance * numbers, importance, confidence, samples, seed)


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
    one, other = np.asarray(candidate, np.float64), np.asarray(reference, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"candidate has shape {one.shape}, reference {other.shape}; compare the same requests")
    return bootstrap_interval(one - other, confidence, samples, seed, weights)


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
    _check_sums("numerators", above, np.isfinite(above))
    _check_sums("denominators", below, below >= 0)
    sums = np.stack([above, below], axis=-1)
    total = sums.sum(axis=0)
    if len(sums) == 0 or total[1] == 0:
        return UNDEFINED
    drawn = _resampled_sums(sums, samples, seed)
    ratios = drawn[drawn[:, 1] > 0]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(ratios[:, 0] / ratios[:, 1], [tail, 1.0 - tail])
    return MetricInterval(float(total[0] / total[1]), float(low), float(high), len(sums))


def drawn_requests(count: int, samples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Blocks of resamples of `count` requests with replacement, int64 `[block, count]`, `samples` rows in all."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_VALUES // count)
    for start in range(0, samples, block):
        yield rng.integers(count, size=(min(block, samples - start), count))


def _resampled_sums(rows: NDArray[np.float64], samples: int, seed: int) -> NDArray[np.float64]:
    """Sums over `samples` draws with replacement of the rows `[requests, columns]`: `[samples, columns]`."""
    return np.concatenate([rows[drawn].sum(axis=1) for drawn in drawn_requests(len(rows), samples, seed)])


def _check_sums(name: str, values: NDArray[np.float64], good: NDArray[np.bool_]) -> None:
    bad = ~(good & np.isfinite(values))
    if bad.any():
        request = int(np.argmax(bad))
        raise DataError(f"{name}: request {request} has {values[request]}; give finite values, weights at least 0")


def check_bootstrap(confidence: float, samples: int) -> None:
    """Refuse a confidence outside (0, 1) or less than one resample with a `ValueError`."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence}; give a probability between 0 and 1, such as 0.95")
    if samples < 1:
        raise ValueError(f"samples: {samples}; draw at least one resample, better 1000")
