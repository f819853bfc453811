"""The value of a policy that orders known items, by the estimators that suit slates, self-normalised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.cascade_doubly_robust import cascade_doubly_robust
from ranking.off_policy.estimate import OffPolicyEstimate
from ranking.off_policy.logged_slates import LoggedSlates
from ranking.off_policy.order_targets import OrderTarget
from ranking.off_policy.slate_reward_models import cross_fitted_slate_rewards
from ranking.off_policy.slates import (
    independent_inverse_propensity_score,
    reward_interaction_inverse_propensity_score,
    slate_inverse_propensity_score,
)

CASCADE_DR, RIPS, IIPS, SIPS = "sn_cascade_dr", "snrips", "sniips", "snsips"
FOLDS = 5


@dataclass(frozen=True)
class Resampling:
    """Of the bootstrap over requests behind every interval."""

    confidence: float = 0.95
    samples: int = 1000
    seed: int = 0


def order_values(
    logged: LoggedSlates,
    target: OrderTarget,
    classes: NDArray[np.integer],
    resampling: Resampling,
    no_steps: str | None = None,
    no_marginals: str | None = None,
) -> list[OffPolicyEstimate]:
    """Cascade-DR, RIPS, IIPS and SIPS, all self-normalised, each not identifiable where it lacks what it needs.

    Cascade-DR comes first and is the one to read: of those that allow for the items above it has the least error.
    Where the policy's choices are not told it is left out.

    Args:
        logged: slates with the propensities of their orders; None for those that are not known.
        target: the policy, with `choices` added up by class of item.
        classes: int `[slates, positions]`, class of each logged item, which the reward model of cascade-DR reads.
        resampling: of the intervals.
        no_steps, no_marginals: why `logged` has no propensities of that kind; None where it has.
    """
    common = {"confidence": resampling.confidence, "samples": resampling.samples, "seed": resampling.seed}

    def told(name: str, reason: str | None, estimate: Callable[[], OffPolicyEstimate]) -> OffPolicyEstimate:
        if reason is None:
            return estimate()
        bare = replace(logged, step_propensities=None)
        nothing = slate_inverse_propensity_score(bare, np.zeros(logged.mask.shape), samples=1)
        return replace(nothing, estimator=name, reason=reason)

    estimates = []
    choices, marginals = target.choices, target.marginals
    if choices is not None:
        few = f"{len(logged)} slates are too few for a model of rewards" if len(logged) < FOLDS else None

        def doubly_robust() -> OffPolicyEstimate:
            predictions = cross_fitted_slate_rewards(logged, classes, choices, folds=FOLDS, seed=resampling.seed)
            return cascade_doubly_robust(logged, target.steps, predictions, self_normalised=True, **common)

        estimates.append(told(CASCADE_DR, no_steps or few, doubly_robust))
    by_steps = ((RIPS, reward_interaction_inverse_propensity_score), (SIPS, slate_inverse_propensity_score))
    for name, estimator in by_steps:
        estimates.append(
            told(name, no_steps, lambda by=estimator: by(logged, target.steps, self_normalised=True, **common))
        )
    if marginals is not None:
        estimates.insert(
            -1,
            told(
                IIPS,
                no_marginals,
                lambda: independent_inverse_propensity_score(logged, marginals, self_normalised=True, **common),
            ),
        )
    return estimates
