"""How large a mean may truly be: one-sided bounds that stay honest far out in the tail and for skewed values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError

# Below this skewness the transformation is the identity to the last digits that matter.
NO_SKEWNESS = 1e-6


@dataclass(frozen=True)
class Moments:
    """Moments of groups of values.

    Attributes:
        count: int64 `[groups]`.
        mean, deviation, skewness: float64 `[groups]`; the deviation with `count - 1` below the line; mean nan for an
            empty group, deviation and skewness 0 where the values of a group are equal.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    skewness: NDArray[np.float64]


def upper_mean_bounds(moments: Moments, largest: float, tail: float) -> NDArray[np.float64]:
    """The value above which each group's true mean lies with probability of at most `tail`.

    The largest of three bounds: Student's; the same after Hall's transformation, which undoes the skewness of the
    studentised mean (where rare requests gain much, Student's bound is far too low); and one for what a group was
    too small to show: a kind of request with a share q was missed by all n with probability `(1 - q)^n`, so up to a
    share of `1 - tail^(1/n)` may be of a kind that gains `largest`.

    Args:
        moments: of the groups.
        largest: the highest value that a request can have, or the highest seen anywhere.
        tail: in (0, 1).

    Returns:
        float64 `[groups]`; nan for empty groups.

    Raises:
        ValueError: `tail` is out of range.

    Source: Hall, "On the removal of skewness by transformation", Journal of the Royal Statistical Society B 54(1),
    1992, equation for the cubic transformation and its inverse.
    """
    if not 0 < tail < 1:
        raise ValueError(f"tail: {tail}; give a probability between 0 and 1, such as 0.05")
    from scipy.special import stdtrit

    count = np.maximum(moments.count, 1)
    unseen = 1.0 - tail ** (1.0 / count)
    missed = (1.0 - unseen) * moments.mean + unseen * np.maximum(largest, moments.mean)
    quantile = stdtrit(np.maximum(count - 1, 1), tail) / np.sqrt(count)
    # Skewness the other way would lower the bound, by an estimate that small groups do not support.
    lowest = np.minimum(quantile, _skewed(quantile, moments.skewness, count))
    studentised = moments.mean - moments.deviation * lowest
    # One value has no deviation of its own; the last bound alone speaks for it.
    bounds: NDArray[np.float64] = np.where(count > 1, np.maximum(studentised, missed), missed)
    return bounds


def group_moments(values: NDArray[np.float64], groups: NDArray[np.int64], count: int) -> Moments:
    """Moments of the values of each group, in one pass over all.

    Args:
        values: float64 `[requests]`, finite.
        groups: int64 `[requests, partitions]` in [0, count): a request is in one group of every partition.
        count: number of groups.

    Raises:
        DataError: a value is not finite.
    """
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"values: request {row} has {values[row]}; give finite values")
    each = np.repeat(values, groups.shape[1])
    index = groups.ravel()

    def sums(of: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(index, of, minlength=count).astype(np.float64)

    numbers = np.bincount(index, minlength=count)
    below = np.maximum(numbers, 1)
    mean = np.where(numbers > 0, sums(each) / below, np.nan)
    off = each - mean[index]
    # Rounding makes residues of equal values; they are no deviation.
    off[np.abs(off) < 1e-12 * np.maximum(1.0, np.abs(each))] = 0.0
    spread = np.sqrt(sums(off**2) / below)
    skewness = np.divide(sums(off**3) / below, spread**3, out=np.zeros(count), where=spread > 0)
    deviation = spread * np.sqrt(below / np.maximum(below - 1, 1))
    return Moments(numbers, mean, deviation, skewness)


def _skewed(
    quantile: NDArray[np.float64], skewness: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Hall's inverse transformation of quantiles of a studentised mean (in units of the deviation)."""
    flat = np.abs(skewness) < NO_SKEWNESS
    safe = np.where(flat, 1.0, skewness)
    root = np.cbrt(1.0 + safe * (quantile - safe / (6.0 * count)))
    return np.where(flat, quantile, 3.0 / safe * (root - 1.0))
