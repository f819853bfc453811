"""The rule that promotes a canary or rolls it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from pipelines.closed_loop.settings import FEWEST_REQUESTS
from ranking.metrics import MetricInterval

CONFIDENCE = 0.95


@dataclass(frozen=True)
class CanaryVerdict:
    """What becomes of a canary: `reason` says it in one sentence."""

    promoted: bool
    reason: str
    difference: MetricInterval | None = None


def judge_canary(canary: ArrayLike, stable: ArrayLike, margin: float) -> CanaryVerdict:
    """Rolled back when it is certainly worse by more than the margin, or hardly had requests; promoted otherwise.

    Certainly worse: the whole 95 % interval of the difference in mean reward, canary minus stable, lies below minus
    the margin. The two share no request, so that the interval is Welch's, with the normal quantile.

    Args:
        canary, stable: reward of each request that a bundle ranked, such as its clicks, float `[requests]`.
        margin: reward a request that a canary may lose, >= 0.
    """
    ours, theirs = np.asarray(canary, np.float64), np.asarray(stable, np.float64)
    fewest = min(len(ours), len(theirs))
    if fewest < FEWEST_REQUESTS:
        return CanaryVerdict(False, f"only {fewest} requests to judge by, {FEWEST_REQUESTS} are needed")
    value = float(ours.mean() - theirs.mean())
    reach = _quantile() * float(np.sqrt(ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs)))
    difference = MetricInterval(value, value - reach, value + reach, len(ours) + len(theirs))
    promoted = difference.high >= -margin
    told = (
        f"{value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}] clicks a request against stable over "
        f"{len(ours)} and {len(theirs)} requests"
    )
    verdict = "not certainly worse" if promoted else "certainly worse"
    return CanaryVerdict(promoted, f"{told}: {verdict} by more than {margin:g}", difference)


def mean_interval(values: ArrayLike | Sequence[float]) -> MetricInterval:
    """The mean of independent values and its 95 % interval by the normal quantile; paired differences are such values.

    Args:
        values: float `[values]`, one or more; of a single one the interval is the value.
    """
    given = np.asarray(values, np.float64)
    value = float(given.mean())
    reach = _quantile() * float(given.std(ddof=1) / np.sqrt(len(given))) if len(given) > 1 else 0.0
    return MetricInterval(value, value - reach, value + reach, len(given))


def _quantile() -> float:
    return NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
