"""Estimators of a slate policy's value from weighed rewards: SIPS, IIPS and RIPS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.assembled import assembled_estimate
from ranking.off_policy.estimate import OffPolicyEstimate
from ranking.off_policy.logged_slates import LoggedSlates
from ranking.off_policy.ratios import RatioTerms, mean_of
from ranking.off_policy.slate_weights import weigh_marginals, weigh_steps
from ranking.off_policy.support import Support


def slate_inverse_propensity_score(
    logged: LoggedSlates,
    target_step_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None = None,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """SIPS: the mean of `W_1:K * sum_k alpha_k r_k`, unbiased whatever users do, of very large variance.

    Args:
        logged: the log, with step propensities.
        target_step_probabilities: float `[slates, positions]` in [0, 1], the policy's probability of each
            logged item given the logged items above it.
        unsupported_mass: float `[slates]` in [0, 1], the policy's probability of slates that the logger never
            shows, where the caller knows both policies; None: only what the log shows.
        self_normalised: divide by the mean weight of each position.
        clip: cap > 0 on the weights of `clipped_value`. Never tune it on the data that it is reported for.
        confidence, samples, seed: of the bootstrap over requests.

    Raises:
        DataError: shapes differ, a probability leaves its range or a slate has a gap.
        ValueError: `clip` is not positive, or a setting of the bootstrap is out of range.

    Source: Swaminathan et al., "Off-policy evaluation for slate recommendation", NIPS 2017 (as the baseline).
    """
    weights, support = weigh_steps(logged, target_step_probabilities, unsupported_mass, "SIPS", whole_slate=True)
    return _weighed("sips", logged, weights, support, self_normalised, clip, confidence, samples, seed)


def independent_inverse_propensity_score(
    logged: LoggedSlates,
    target_marginals: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None = None,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """IIPS: the mean of `sum_k alpha_k u_k r_k`, unbiased where a reward depends on its own item and position only.

    Slates may lack positions: a log of single impressions is one item a slate.

    Args:
        logged: the log, with marginal propensities.
        target_marginals: float `[slates, positions]` in [0, 1], the policy's probability of each logged item at
            its position, whatever stands elsewhere.
        unsupported_mass, self_normalised, clip, confidence, samples, seed: as in
            `slate_inverse_propensity_score`.

    Raises:
        DataError, ValueError: as in `slate_inverse_propensity_score`, but slates may have gaps.

    Source: Li et al., "Offline evaluation of ranking policies with click models", KDD 2018, item-position model.
    """
    weights, support = weigh_marginals(logged, target_marginals, unsupported_mass)
    return _weighed("iips", logged, weights, support, self_normalised, clip, confidence, samples, seed)


def reward_interaction_inverse_propensity_score(
    logged: LoggedSlates,
    target_step_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None = None,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """RIPS: the mean of `sum_k alpha_k W_1:k r_k`, unbiased where users read from the top (cascade).

    A reward may then depend on the items above it and on its own, not on those below.

    Args and raises as in `slate_inverse_propensity_score`.

    Source: McInerney et al., "Counterfactual evaluation of slate recommendations with sequential reward
    interactions", KDD 2020.
    """
    weights, support = weigh_steps(logged, target_step_probabilities, unsupported_mass, "RIPS")
    return _weighed("rips", logged, weights, support, self_normalised, clip, confidence, samples, seed)


def _weighed(
    estimator: str,
    logged: LoggedSlates,
    weights: NDArray[np.float64],
    support: Support,
    self_normalised: bool,
    clip: float | None,
    confidence: float,
    samples: int,
    seed: int,
) -> OffPolicyEstimate:
    """Weights times rewards, a term a position."""
    rewards = logged.weighted_rewards

    def terms(cap: float) -> RatioTerms:
        capped = np.minimum(weights, cap)
        return RatioTerms(capped * rewards, capped) if self_normalised else mean_of(capped * rewards)

    return assembled_estimate(
        f"sn{estimator}" if self_normalised else estimator,
        terms,
        support,
        rewards.sum(axis=1),
        logged.request_index,
        clip,
        confidence,
        samples,
        seed,
    )
