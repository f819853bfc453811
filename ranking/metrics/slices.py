"""Bootstrap intervals of means over many slices of the requests at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranking.metrics.intervals import MetricInterval, check_bootstrap
from ranking.metrics.mean_bounds import group_moments
from ranking.metrics.resampling import interval_levels, times_drawn
from seriatim_errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix


@dataclass(frozen=True)
class SlicedIntervals:
    """Means of several columns over each slice, with their intervals.

    Attributes:
        value, low, high: float64 `[slices, columns]`; nan for empty slices.
        count: int64 `[slices]`, requests in which every column is defined.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]

    def interval(self, index: int, column: int) -> MetricInterval:
        """One slice's interval of one column."""
        value, low, high = (float(part[index, column]) for part in (self.value, self.low, self.high))
        return MetricInterval(value, low, high, int(self.count[index]))


def sliced_mean_intervals(
    values: NDArray[np.float64],
    slices: NDArray[np.int64],
    count: int,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> SlicedIntervals:
    """The mean of every column over every slice with its bootstrap interval.

    Whole requests are drawn from all slices together, and every slice of a resample is summed in one product with a
    sparse matrix. A slice that holds all requests gets the interval of `bootstrap_interval`.

    Args:
        values: float64 `[requests, columns]`; a request with a nan is left out.
        slices: int64 `[requests, partitions]` in [0, count): a request is in one slice of every partition.
        count: number of slices.
        confidence, samples, seed: as in `bootstrap_interval`.

    Raises:
        DataError: a value is infinite.
        ValueError: the shapes disagree, a slice is out of range, or as in `bootstrap_interval`.
    """
    check_bootstrap(confidence, samples)
    if values.ndim != 2 or slices.ndim != 2 or len(values) != len(slices):
        raise ValueError(f"values have shape {values.shape}, slices {slices.shape}; give one row a request in both")
    if slices.size and not 0 <= slices.min() <= slices.max() < count:
        raise ValueError(f"slices: {slices.min()} to {slices.max()} for {count} slices; number them from 0")
    if np.isinf(values).any():
        raise DataError(f"values: request {int(np.argmax(np.isinf(values).any(axis=1)))} has an infinite value")
    defined = ~np.isnan(values).any(axis=1)
    sums = _summing(values[defined], slices[defined], count)
    columns = values.shape[1]
    totals = np.asarray(sums.sum(axis=1)).reshape(1, 1 + columns, count)
    number = totals[0, 0].astype(np.int64)
    value, low, high = np.full((3, count, columns), np.nan)
    filled = np.flatnonzero(number)
    if len(filled):
        drawn = np.concatenate(
            [(sums @ np.ascontiguousarray(times.T)).T for times in times_drawn(sums.shape[1], samples, seed)]
        )
        means = _means(drawn.reshape(samples, 1 + columns, count)[:, :, filled])
        value[filled] = _means(totals[:, :, filled])[0].T
        for column in range(columns):
            # The skewness of a sum of n requests is theirs over the root of n.
            skewness = group_moments(values[defined, column], slices[defined], count).skewness / np.sqrt(number.clip(1))
            for place, index in enumerate(filled):
                estimates = means[:, column, place]
                levels = interval_levels(int(number[index]), float(skewness[index]), confidence)
                low[index, column], high[index, column] = np.nanquantile(estimates, levels)
    return SlicedIntervals(value, low, high, number)


def _summing(values: NDArray[np.float64], slices: NDArray[np.int64], count: int) -> csc_matrix:
    """The matrix `[(1 + columns) * count, requests]` whose product with draws is each slice's count and sums."""
    # Who reads metrics files imports this package, and has no use for SciPy.
    from scipy.sparse import csc_matrix

    requests, partitions = slices.shape
    summed = np.column_stack([np.ones(requests), values])
    rows = slices[:, None, :] + count * np.arange(summed.shape[1])[:, None]
    # By columns, so that a product reads every request's draws once and in order.
    starts = np.arange(requests + 1) * (partitions * summed.shape[1])
    data = np.repeat(summed.ravel(), partitions)
    return csc_matrix((data, rows.ravel(), starts), shape=(count * summed.shape[1], requests))


def _means(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means `[..., columns, slices]` of counts and sums `[..., 1 + columns, slices]`; nan where nothing was drawn."""
    counts = sums[..., :1, :]
    return np.divide(sums[..., 1:, :], counts, out=np.full(sums[..., 1:, :].shape, np.nan), where=counts > 0)
