"""Estimators that weigh each logged reward by how much likelier the new policy makes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.assembled import assembled_estimate
from ranking.off_policy.estimate import OffPolicyEstimate
from ranking.off_policy.impression_weights import weigh
from ranking.off_policy.logged import LoggedImpressions
from ranking.off_policy.ratios import RatioTerms, mean_of


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
        unsupported_mass: float `[impressions]`, see `ranking.off_policy.impression_weights.weigh`.
        clip: cap on the weights of `clipped_value`, > 0; the value itself is never clipped. Never tune it on
            the data that it is reported for.
        confidence, samples, seed: of the bootstrap over requests.

    Raises:
        DataError: lengths differ or a probability leaves its range.
        ValueError: `clip` is not positive.

    Source: Horvitz and Thompson, JASA 1952.
    """
    weights, support = weigh(logged, target_probabilities, unsupported_mass)
    return assembled_estimate(
        "ips",
        lambda cap: mean_of(np.minimum(weights, cap) * logged.rewards),
        support,
        logged.rewards,
        logged.request_index,
        clip,
        confidence,
        samples,
        seed,
    )


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
    weights, support = weigh(logged, target_probabilities, unsupported_mass)

    def terms(cap: float) -> RatioTerms:
        capped = np.minimum(weights, cap)
        return RatioTerms(capped * logged.rewards, capped)

    return assembled_estimate(
        "snips", terms, support, logged.rewards, logged.request_index, clip, confidence, samples, seed
    )
