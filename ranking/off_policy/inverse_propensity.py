"""Estimators that weigh each logged reward by how much likelier the new policy makes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.metrics.intervals import bootstrap_ratio_interval
from ranking.off_policy.estimate import OffPolicyEstimate, caution, weigh
from ranking.off_policy.logged import LoggedImpressions

# High, so that a sound log is rarely called unsound.
MEAN_WEIGHT_CONFIDENCE = 0.99


def inverse_propensity_score(
    logged: LoggedImpressions,
    target_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None = None,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """IPS: the mean of w * reward, unbiased when the log supports the policy.

    Args:
        logged: the log.
        target_probabilities: float `[impressions]` in [0, 1], the policy's probability of the logged choice.
        unsupported_mass: float `[impressions]`, see `ranking.off_policy.estimate.weigh`.
        clip: cap on the weights of `clipped_value`, > 0; the value itself is never clipped. Never tune it on
            the data that it is reported for.
        confidence, samples, seed: of the percentile bootstrap over requests.

    Raises:
        DataError: lengths differ or a probability leaves its range.
        ValueError: `clip` is not positive.

    Source: Horvitz and Thompson, JASA 1952.
    """
    ones = np.ones(len(logged))
    return _estimate("ips", logged, target_probabilities, unsupported_mass, clip, ones, confidence, samples, seed)


def self_normalised_inverse_propensity_score(
    logged: LoggedImpressions,
    target_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None = None,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """SNIPS: the sum of w * reward over the sum of w, slightly biased, steadier than IPS.

    It stays within the range of the rewards, and adding a constant to all rewards adds it to the value.

    Args, result and raises as in `inverse_propensity_score`.

    Source: Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning", NIPS 2015.
    """
    return _estimate("snips", logged, target_probabilities, unsupported_mass, clip, None, confidence, samples, seed)


def _estimate(
    estimator: str,
    logged: LoggedImpressions,
    target_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None,
    clip: float | None,
    normaliser: NDArray[np.float64] | None,
    confidence: float,
    samples: int,
    seed: int,
) -> OffPolicyEstimate:
    """Sum of w * reward over the sum of `normaliser` (None: of the weights themselves)."""
    if clip is not None and not clip > 0:
        raise ValueError(f"clip: {clip}; give a positive cap on the weights, or None")
    weighed = weigh(logged, target_probabilities, unsupported_mass)
    logged_value = float(logged.rewards.mean()) if len(logged) else float("nan")
    value = low = high = clipped_value = warning = None
    if weighed.reason is None and weighed.weights is not None:
        weights = weighed.weights
        by_request = np.unique(logged.request_index, return_inverse=True)[1]
        interval = bootstrap_ratio_interval(
            np.bincount(by_request, weights * logged.rewards),
            np.bincount(by_request, weights if normaliser is None else normaliser),
            confidence,
            samples,
            seed,
        )
        impressions = np.bincount(by_request).astype(np.float64)
        mean_weight = bootstrap_ratio_interval(
            np.bincount(by_request, weights), impressions, MEAN_WEIGHT_CONFIDENCE, samples, seed
        )
        assert weighed.diagnostics is not None
        warning = caution(weighed.diagnostics, mean_weight)
        value, low, high = interval.value, interval.low, interval.high
        if clip is not None:
            capped = np.minimum(weights, clip)
            total = float((capped if normaliser is None else normaliser).sum())
            clipped_value = float((capped * logged.rewards).sum() / total)
    return OffPolicyEstimate(
        estimator=estimator,
        value=value,
        low=low,
        high=high,
        clipped_value=clipped_value,
        clip=clip,
        identifiable=weighed.reason is None,
        reason=weighed.reason,
        caution=warning,
        logged_value=logged_value,
        count=len(logged),
        diagnostics=weighed.diagnostics,
    )
