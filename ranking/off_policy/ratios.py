"""The one path that all estimators share: sums over requests, their ratios, and resamples of the requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.metrics.intervals import MetricInterval, check_bootstrap
from ranking.metrics.request_sums import RequestSums
from ranking.metrics.resampling import interval_ends, resampled_sums
from seriatim_errors import DataError


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


def ratio_intervals(
    terms: Sequence[RatioTerms],
    confidences: Sequence[float],
    request_index: NDArray[np.integer],
    samples: int,
    seed: int,
) -> list[MetricInterval | None]:
    """The value of each of `terms` with its bootstrap interval; None where a denominator sums to 0.

    Whole requests are drawn, the same for all terms, and resamples without a denominator for one of a value's
    terms are left out.

    Args:
        terms: what to sum, one for each value.
        confidences: for each value the probability in (0, 1) that its interval is meant to cover the true one with.
        request_index: int `[rows]`, equal for the rows of one request.
        samples: resamples of the requests, >= 1.
        seed: the same seed and number of requests give the same resamples, whatever the estimator.

    Raises:
        DataError: a sum is not finite.
        ValueError: a confidence or `samples` is out of range.

    Source: Efron and Tibshirani, "An introduction to the bootstrap", chapter 13.
    """
    for confidence in confidences:
        check_bootstrap(confidence, samples)
    sums = [_by_request(one, request_index) for one in terms]
    joined = np.concatenate(sums, axis=1)
    if not np.isfinite(joined).all():
        raise DataError("weights: a request's weighted rewards are not finite; correct its propensities or rewards")
    ends = np.cumsum([one.shape[1] for one in sums])[:-1]
    requests = RequestSums(joined.shape[1])
    requests.add(joined.T)
    drawn = np.split(resampled_sums(requests.rows, samples, seed), ends, axis=1)
    rows = np.split(requests.rows, ends, axis=1)
    return [_interval(*each, len(joined)) for each in zip(terms, rows, drawn, confidences, strict=True)]


def _interval(
    terms: RatioTerms, rows: NDArray[np.float64], drawn: NDArray[np.float64], confidence: float, requests: int
) -> MetricInterval | None:
    value = terms.value
    if value is None:
        return None
    above, below = np.split(drawn, 2, axis=1)
    whole = (below > 0).all(axis=1)
    if not whole.any():
        return MetricInterval(value, value, value, requests)
    numerators, denominators = np.split(rows, 2, axis=1)
    total = denominators.sum(axis=0)
    influences = (numerators - numerators.sum(axis=0) / total * denominators) / total
    low, high = interval_ends((above[whole] / below[whole]).sum(axis=1), influences.sum(axis=1), confidence)
    return MetricInterval(value, low, high, requests)


def _by_request(terms: RatioTerms, request_index: NDArray[np.integer]) -> NDArray[np.float64]:
    """Numerators, then denominators, summed over the rows of each request, `[requests, 2 * terms]`."""
    request = np.unique(request_index, return_inverse=True)[1]
    rows = len(terms.numerators)
    columns = np.concatenate([part.reshape(rows, -1) for part in (terms.numerators, terms.denominators)], axis=1)
    return np.stack([np.bincount(request, column) for column in columns.T], axis=1)
