"""The value of a policy that orders known items, by the estimators that suit slates, self-normalised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

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
from seriatim_errors import DataError

CASCADE_DR, RIPS, IIPS, SIPS = "sn_cascade_dr", "snrips", "sniips", "snsips"
FOLDS = 5
Estimator = Callable[..., OffPolicyEstimate]


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
    steps, choices, marginals = target.steps, target.choices, target.marginals

    def weighed(name: str, estimator: Estimator, probabilities: NDArray[np.float64]) -> OffPolicyEstimate:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return estimator(
                    logged,
                    probabilities,
                    self_normalised=True,
                    confidence=resampling.confidence,
                    samples=resampling.samples,
                    seed=resampling.seed,
                )
        except DataError as error:
            # Propensities so small that their products are no numbers must not cost what else there is to tell.
            return untold(name, str(error))

    def untold(name: str, reason: str) -> OffPolicyEstimate:
        bare = replace(logged, step_propensities=None)
        return replace(slate_inverse_propensity_score(bare, steps, samples=1), estimator=name, reason=reason)

    estimates = []
    if choices is not None:
        few = f"{len(logged)} slates are too few for a model of rewards" if len(logged) < FOLDS else None
        reason = no_steps or few
        if reason is not None:
            estimates.append(untold(CASCADE_DR, reason))
        else:
            predictions = cross_fitted_slate_rewards(logged, classes, choices, folds=FOLDS, seed=resampling.seed)
            by_model = partial(cascade_doubly_robust, predictions=predictions)
            estimates.append(weighed(CASCADE_DR, by_model, steps))
    kinds: list[tuple[str, Estimator, NDArray[np.float64] | None, str | None]] = [
        (RIPS, reward_interaction_inverse_propensity_score, steps, no_steps),
        (IIPS, independent_inverse_propensity_score, marginals, no_marginals),
        (SIPS, slate_inverse_propensity_score, steps, no_steps),
    ]
    for name, estimator, probabilities, reason in kinds:
        if probabilities is not None:
            told = weighed(name, estimator, probabilities) if reason is None else untold(name, reason)
            estimates.append(told)
    return estimates
