"""Cascade-DR: RIPS with a model of the reward that is still to come at every position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.assembled import assembled_estimate
from ranking.off_policy.estimate import OffPolicyEstimate
from ranking.off_policy.logged_slates import LoggedSlates
from ranking.off_policy.predictions import RewardPredictions
from ranking.off_policy.ratios import RatioTerms
from ranking.off_policy.slate_weights import ratios_before, weigh_steps


def cascade_doubly_robust(
    logged: LoggedSlates,
    target_step_probabilities: NDArray[np.floating],
    predictions: RewardPredictions,
    unsupported_mass: NDArray[np.floating] | None = None,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """Cascade-DR: the mean of V_1, unbiased where users read from the top and propensities or model are right.

    With `V_{K+1} = 0`, `V_k = under_policy_k + w_k * (alpha_k r_k + V_{k+1} - Q_k)`; computed as its unrolled sum
    `sum_k W_1:k (alpha_k r_k - Q_k) + W_1:k-1 under_policy_k`. Predictions of zero give RIPS.

    Args:
        logged: the log, with step propensities.
        target_step_probabilities: float `[slates, positions]` in [0, 1], the policy's probability of each
            logged item given the logged items above it.
        predictions: `[slates, positions]` of a model that has not seen these rewards; read within the mask.
        unsupported_mass: float `[slates]` in [0, 1], see `slate_inverse_propensity_score`.
        self_normalised: divide each position's weights by their mean.
        clip: cap > 0 on the products W of `clipped_value`. Never tune it on the data that it is reported for.
        confidence, samples, seed: of the bootstrap over requests.

    Raises:
        DataError: shapes differ, a probability leaves its range or a slate has a gap.
        ValueError: `clip` is not positive, or a setting of the bootstrap is out of range.

    Source: Kiyohara et al., "Doubly robust off-policy evaluation for ranking policies under the cascade behavior
    model", WSDM 2022.
    """
    weights, support = weigh_steps(logged, target_step_probabilities, unsupported_mass, "cascade-DR")
    predictions.check_shape(weights.shape)
    errors = np.where(logged.mask, logged.weighted_rewards - predictions.of_logged, 0.0)
    expected = np.where(logged.mask, predictions.under_policy, 0.0)

    def terms(cap: float) -> RatioTerms:
        here = np.minimum(weights, cap)
        # Before the first position nothing was chosen, so that its weight of 1 stands under any cap.
        above = ratios_before(here)
        numerators = np.concatenate([here * errors, above * expected], axis=1)
        below = np.concatenate([here, above], axis=1)
        return RatioTerms(numerators, below if self_normalised else np.ones_like(below))

    return assembled_estimate(
        "sn_cascade_dr" if self_normalised else "cascade_dr",
        terms,
        support,
        logged.weighted_rewards.sum(axis=1),
        logged.request_index,
        clip,
        confidence,
        samples,
        seed,
    )
