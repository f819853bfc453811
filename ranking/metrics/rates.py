"""Intervals of a rate of independent trials, from counts alone."""

from __future__ import annotations

from statistics import NormalDist

from ranking.metrics.intervals import UNDEFINED, MetricInterval


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> MetricInterval:
    """The score interval of a rate: covers about `confidence` on average, also near 0 and 1.

    >>> round(wilson_interval(0, 10).high, 4)
    0.2775

    Args:
        successes: >= 0.
        trials: >= `successes`; the trials must be independent (for items clustered in requests use
            `bootstrap_ratio_interval`).
        confidence: in (0, 1).

    Returns:
        The interval within [0, 1], `count` = trials; undefined when there are none.

    Raises:
        ValueError: the counts contradict each other or `confidence` is out of range.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    _check(successes, trials, confidence)
    if trials == 0:
        return UNDEFINED
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    rate = successes / trials
    shrink = 1.0 + z * z / trials
    centre = (rate + z * z / (2.0 * trials)) / shrink
    half = z / shrink * (rate * (1.0 - rate) / trials + z * z / (4.0 * trials * trials)) ** 0.5
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return MetricInterval(rate, low, high, trials)


def clopper_pearson_interval(successes: int, trials: int, confidence: float = 0.95) -> MetricInterval:
    """The exact interval of a rate: covers at least `confidence` whatever the true rate, so it is wider.

    Args, result and raises as in `wilson_interval`.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.
    """
    _check(successes, trials, confidence)
    if trials == 0:
        return UNDEFINED
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2.0
    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1.0 - tail))
    return MetricInterval(successes / trials, low, high, trials)


def _check(successes: int, trials: int, confidence: float) -> None:
    if not 0 <= successes <= trials:
        raise ValueError(f"successes: {successes} of {trials} trials; give 0 <= successes <= trials")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence}; give a probability between 0 and 1, such as 0.95")
