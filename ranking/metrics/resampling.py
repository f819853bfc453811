"""Resamples of requests, and where the ends of an interval lie among them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK_VALUES = 1 << 22
# Skewness is measured on few requests and is itself uncertain: of the two, half of it gave the better coverage.
SKEWNESS_SHARE = 0.5
# Far enough out for any level when an end is moved beyond every sample.
SMALLEST_ROOM = 1e-300
MANTISSA_BITS = 52
# Of the smallest number above 0, of which all numbers are multiples.
SMALLEST_EXPONENT = -1074


def resampled_sums(rows: NDArray[np.float64], samples: int, seed: int) -> NDArray[np.float64]:
    """Sums over `samples` draws with replacement of as many rows as there are.

    The same seed and number of rows give the same draws, whatever the columns. Each column is rounded to a grid
    on which sums of floating point numbers are exact, to less than one part in 10**10 of its largest value, so
    that the result depends on no block size, number of threads or library of linear algebra.

    Args:
        rows: float64 `[rows, columns]`, finite.
        samples: >= 1.
        seed: fixes the draws.

    Returns:
        float64 `[samples, columns]`.
    """
    count = len(rows)
    scale = _grid(rows)
    whole = np.rint(rows / scale)
    return np.concatenate([times @ whole for times in times_drawn(count, samples, seed)]) * scale


def times_drawn(count: int, samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each of `count` requests is drawn in each resample, in blocks float64 `[block, count]`."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_VALUES // count)
    for start in range(0, samples, block):
        drawn = rng.integers(count, size=(min(block, samples - start), count))
        times = np.empty(drawn.shape)
        for sample, draws in enumerate(drawn):
            times[sample] = np.bincount(draws, minlength=count)
        yield times


def interval_ends(
    estimates: NDArray[np.float64], influences: NDArray[np.float64], confidence: float
) -> tuple[float, float]:
    """The ends of the interval: quantiles of the resampled estimates at levels that suit few and skewed requests.

    A percentile interval is too narrow for few requests, by the factor of Student's quantile with `n` in place
    of `n - 1`, and it is off to one side where requests are skewed, as hit rates near 1 are. The levels are those
    of the percentile interval widened by that factor; a level that half the acceleration of BCa would move
    outwards is moved there. None is moved inwards, for a tail that few requests have not shown yet looks like
    no skewness. Both corrections vanish as requests grow in number.

    Args:
        estimates: float64 `[samples]`, the statistic on each resample, at least one.
        influences: float64 `[requests]`, how much each request moves the statistic, up to a common factor.
        confidence: in (0, 1).

    Source: Hesterberg, "What teachers should know about the bootstrap", arXiv 1411.5279 (expanded percentile
    interval); Efron, "Better bootstrap confidence intervals", JASA 1987 (acceleration).
    """
    low, high = np.quantile(estimates, interval_levels(len(influences), _skewness(influences), confidence))
    return float(low), float(high)


def interval_levels(count: int, skewness: float, confidence: float) -> tuple[float, float]:
    """The levels of those quantiles, by the number of requests and the skewness of their sum."""
    from scipy.special import ndtr, ndtri, stdtrit

    top = 0.5 + confidence / 2.0
    # One request alone has no spread, and every resample is that request.
    normal = stdtrit(count - 1, top) * (count / (count - 1)) ** 0.5 if count > 1 else ndtri(top)
    acceleration = SKEWNESS_SHARE * skewness / 6.0

    def level(quantile: float) -> float:
        moved = acceleration + quantile
        room = max(1.0 - acceleration * moved, SMALLEST_ROOM)
        return float(ndtr(np.clip(acceleration + moved / room, -1e3, 1e3)))

    plain = float(ndtr(-normal))
    return min(plain, level(-normal)), max(1.0 - plain, level(normal))


def _skewness(influences: NDArray[np.float64]) -> float:
    """Skewness of the sum of requests, in [-1, 1]."""
    largest = np.abs(influences).max()
    if largest == 0:
        return 0.0
    relative = influences / largest
    return float((relative**3).sum() / (relative**2).sum() ** 1.5)


def _grid(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each column the power of two such that sums of as many rows, each a multiple of it, are exact."""
    _, exponents = np.frexp(np.abs(rows).max(axis=0))
    bits = MANTISSA_BITS - len(rows).bit_length()
    return np.ldexp(1.0, np.maximum(exponents - bits, SMALLEST_EXPONENT))
