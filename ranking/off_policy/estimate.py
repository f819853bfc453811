"""The answer of an off-policy estimator: a value with its interval, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.metrics.intervals import MetricInterval
from ranking.off_policy.logged import LoggedImpressions
from seriatim_errors import DataError

# Without support for a hundredth of the policy's choices the unseen part may move the value by as much.
MAX_UNSUPPORTED = 0.01
# Fewer effective impressions than these leave the value to a handful of weights.
MIN_EFFECTIVE_COUNT, MIN_EFFECTIVE_SHARE = 50, 0.01


@dataclass(frozen=True)
class OffPolicyEstimate:
    """The estimated mean reward of a policy that did not write the log.

    Attributes:
        estimator: name of the estimator, such as `ips`.
        value, low, high: estimate and ends of its interval, in units of the reward; None when not
            identifiable.
        clipped_value: the same with weights capped at `clip`; None without a cap or when not identifiable.
        clip: the cap on weights, or None.
        identifiable: whether the log can tell the value at all.
        reason: why not; None when identifiable.
        caution: why the value, though identifiable, should not be relied on; None when nothing speaks against.
        logged_value: mean reward under the logging policy, the number to compare with.
        count: impressions used.
        diagnostics: how much the weights can be trusted; None without propensities.
    """

    estimator: str
    value: float | None
    low: float | None
    high: float | None
    clipped_value: float | None
    clip: float | None
    identifiable: bool
    reason: str | None
    caution: str | None
    logged_value: float
    count: int
    diagnostics: WeightDiagnostics | None


@dataclass(frozen=True)
class WeightDiagnostics:
    """What importance weights w = target probability / propensity say about an estimate's trustworthiness.

    Attributes:
        count: number of weights.
        effective_sample_size: `(sum w)**2 / sum w**2`, in impressions.
        max_weight: the largest w.
        mean_weight: the mean of w, whose expectation is 1 when the log supports the policy.
        zero_weight_share: share of impressions that the policy would never have made.
        unsupported_mass: known mean probability of the policy's choices that the logger never makes.
    """

    count: int
    effective_sample_size: float
    max_weight: float
    mean_weight: float
    zero_weight_share: float
    unsupported_mass: float


@dataclass(frozen=True)
class WeighedLog:
    """Importance weights of a log for one policy, with the verdict on support.

    Attributes:
        weights: float64 `[impressions]`; None when `reason` says that there can be none.
        diagnostics: None when there are no weights.
        reason: why the policy's value is not identifiable; None when it is.
    """

    weights: NDArray[np.float64] | None
    diagnostics: WeightDiagnostics | None
    reason: str | None


def weigh(
    logged: LoggedImpressions,
    target_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None = None,
) -> WeighedLog:
    """Importance weights of `logged` for a policy, and whether the log supports that policy.

    Where a propensity is 1 the logger makes no other choice, so whatever probability the policy gives to
    others is without support; that much is known from the log alone.

    Args:
        logged: the log.
        target_probabilities: float `[impressions]` in [0, 1], the policy's probability of the logged choice.
        unsupported_mass: float `[impressions]` in [0, 1], the policy's probability of choices that the logger
            never makes in that place, where the caller knows both policies fully; None: only what the log
            shows.

    Raises:
        DataError: the lengths differ or a probability leaves [0, 1].
    """
    target = _probabilities("target_probabilities", target_probabilities, len(logged))
    if len(logged) == 0:
        return WeighedLog(None, None, "the log holds no impressions")
    if logged.propensities is None:
        return WeighedLog(None, None, "the log holds no propensities; log them with exploration on")
    missing = np.where(logged.propensities == 1, 1.0 - target, 0.0)
    if unsupported_mass is not None:
        missing = np.maximum(missing, _probabilities("unsupported_mass", unsupported_mass, len(logged)))
    weights = target / logged.propensities
    squares = float((weights**2).sum())
    diagnostics = WeightDiagnostics(
        count=len(logged),
        effective_sample_size=float(weights.sum() ** 2 / squares) if squares > 0 else 0.0,
        max_weight=float(weights.max()),
        mean_weight=float(weights.mean()),
        zero_weight_share=float((weights == 0).mean()),
        unsupported_mass=float(missing.mean()),
    )
    return WeighedLog(weights, diagnostics, _why_not(logged, diagnostics))


def caution(diagnostics: WeightDiagnostics, mean_weight: MetricInterval) -> str | None:
    """What speaks against relying on an identifiable value, or None.

    Args:
        diagnostics: of the weights.
        mean_weight: their mean with its interval, which must hold 1 when the propensities are right and every
            choice of the policy has support.
    """
    words = []
    effective, count = diagnostics.effective_sample_size, diagnostics.count
    if effective < max(MIN_EFFECTIVE_COUNT, MIN_EFFECTIVE_SHARE * count):
        words.append(f"{count} impressions weigh no more than {effective:.1f}, so that a few decide the value")
    if not mean_weight.low <= 1 <= mean_weight.high:
        words.append(
            f"the mean weight is {mean_weight.value:.3g} [{mean_weight.low:.3g}, {mean_weight.high:.3g}] and "
            "should be 1, so propensities are wrong or choices of the policy are missing in the log"
        )
    return "; ".join(words) or None


def _why_not(logged: LoggedImpressions, diagnostics: WeightDiagnostics) -> str | None:
    assert logged.propensities is not None
    if diagnostics.unsupported_mass > MAX_UNSUPPORTED:
        logger = (
            "the logging policy is deterministic"
            if (logged.propensities == 1).all()
            else "the logging policy never makes some of the policy's choices"
        )
        return (
            f"{logger}: {diagnostics.unsupported_mass:.1%} of the policy's probability has no support in "
            "the log; collect traffic with exploration"
        )
    if diagnostics.max_weight == 0:
        return "the policy would have made none of the logged choices; collect traffic that it could have made"
    return None


def _probabilities(name: str, values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    probabilities = np.asarray(values, np.float64)
    if probabilities.shape != (count,):
        raise DataError(f"{name}: shape {probabilities.shape} for {count} impressions; give one value each")
    wrong = ~((probabilities >= 0) & (probabilities <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{name}: impression {row} has {probabilities[row]}; give probabilities in [0, 1]")
    return probabilities
