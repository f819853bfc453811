"""The one path that all estimators share: sums over requests, their ratios, and resamples of the requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.metrics.intervals import MetricInterval
from seriatim_errors import DataError

BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class RatioTerms:
    """An estimate as a sum of ratios: over the columns t, `sum_rows numerators[:, t] / sum_rows denominators[:, t]`.

    A mean has denominators of 1; a self-normalised estimate has its weights there.

    Attributes:
        numerators: float64 `[rows, terms]`; `[rows]` stands for one term.
        denominators: float64 of the same shape, >= 0.
    """

    numerators: NDArray[np.float64]
    denominators: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.numerators.shape != self.denominators.shape:
            raise ValueError(f"numerators: {self.numerators.shape}, denominators: {self.denominators.shape}")

    @property
    def value(self) -> float | None:
        """The sum of ratios, or None where a denominator sums to 0."""
        above = self.numerators.reshape(len(self.numerators), -1).sum(axis=0)
        below = self.denominators.reshape(len(self.denominators), -1).sum(axis=0)
        return float((above / below).sum()) if (below > 0).all() else None


def mean_of(values: NDArray[np.float64]) -> RatioTerms:
    """The mean over rows of `values`, float64 `[rows]` or `[rows, terms]`, whose terms are added."""
    return RatioTerms(values, np.ones_like(values))


def ratio_interval(
    terms: RatioTerms, request_index: NDArray[np.integer], confidence: float, samples: int, seed: int
) -> MetricInterval | None:
    """The value of `terms` with its percentile bootstrap interval; None where a denominator sums to 0.

    Whole requests are drawn, and resamples without a denominator for one of the terms are left out.

    Args:
        terms: what to sum.
        request_index: int `[rows]`, equal for the rows of one request.
        confidence: probability in (0, 1) that the interval is meant to cover the true value with.
        samples: resamples of the requests, >= 1.
        seed: the same seed and number of requests give the same resamples, whatever the estimator.

    Raises:
        DataError: a sum is not finite.
        ValueError: `confidence` or `samples` is out of range.

    Source: Efron and Tibshirani, "An introduction to the bootstrap", chapter 13.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence}; give a probability between 0 and 1, such as 0.95")
    if samples < 1:
        raise ValueError(f"samples: {samples}; draw at least one resample, better 1000")
    value = terms.value
    if value is None:
        return None
    sums = _by_request(terms, request_index)
    if not np.isfinite(sums).all():
        raise DataError("weights: a request's weighted rewards are not finite; correct its propensities or rewards")
    drawn = _resampled_sums(sums, samples, seed)
    above, below = np.split(drawn, 2, axis=1)
    whole = (below > 0).all(axis=1)
    tail = (1.0 - confidence) / 2.0
    low, high = value, value
    if whole.any():
        low, high = np.quantile((above[whole] / below[whole]).sum(axis=1), [tail, 1.0 - tail])
    return MetricInterval(value, float(low), float(high), len(sums))


def _by_request(terms: RatioTerms, request_index: NDArray[np.integer]) -> NDArray[np.float64]:
    """Numerators, then denominators, summed over the rows of each request, `[requests, 2 * terms]`."""
    request = np.unique(request_index, return_inverse=True)[1]
    rows = len(terms.numerators)
    columns = np.concatenate([part.reshape(rows, -1) for part in (terms.numerators, terms.denominators)], axis=1)
    return np.stack([np.bincount(request, column) for column in columns.T], axis=1)


def _resampled_sums(sums: NDArray[np.float64], samples: int, seed: int) -> NDArray[np.float64]:
    """Sums over `samples` draws with replacement of the rows `[requests, columns]`: `[samples, columns]`."""
    rng = np.random.default_rng(seed)
    count = len(sums)
    block = max(1, BLOCK_VALUES // count)
    blocks = []
    for start in range(0, samples, block):
        drawn = rng.integers(count, size=(min(block, samples - start), count))
        times = np.stack([np.bincount(draw, minlength=count) for draw in drawn])
        blocks.append(times @ sums)
    return np.concatenate(blocks)
