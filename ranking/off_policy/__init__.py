"""Off-policy evaluation: what another policy would have earned on logged traffic, if the log can tell.

Single impressions: `inverse_propensity_score`, `self_normalised_inverse_propensity_score`, `direct_method`,
`doubly_robust`, `switch_doubly_robust`. Slates: `slate_inverse_propensity_score` (SIPS),
`independent_inverse_propensity_score` (IIPS), `reward_interaction_inverse_propensity_score` (RIPS),
`cascade_doubly_robust`, `position_based_score` (PBM).
"""

from ranking.off_policy.cascade_doubly_robust import cascade_doubly_robust
from ranking.off_policy.choices import LoggedChoices
from ranking.off_policy.doubly_robust import direct_method, doubly_robust, switch_doubly_robust
from ranking.off_policy.estimate import OffPolicyEstimate, WeightDiagnostics
from ranking.off_policy.inverse_propensity import (
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
)
from ranking.off_policy.logged import LoggedImpressions
from ranking.off_policy.logged_slates import LoggedSlates, discounts
from ranking.off_policy.position_based import placements_of_ranks, position_based_score
from ranking.off_policy.predictions import RewardPredictions
from ranking.off_policy.reward_models import LogisticRewards, RewardModel, TabularRewards, cross_fitted_rewards
from ranking.off_policy.slate_reward_models import cross_fitted_slate_rewards
from ranking.off_policy.slates import (
    independent_inverse_propensity_score,
    reward_interaction_inverse_propensity_score,
    slate_inverse_propensity_score,
)

__all__ = [
    "LoggedChoices",
    "LoggedImpressions",
    "LoggedSlates",
    "LogisticRewards",
    "OffPolicyEstimate",
    "RewardModel",
    "RewardPredictions",
    "TabularRewards",
    "WeightDiagnostics",
    "cascade_doubly_robust",
    "cross_fitted_rewards",
    "cross_fitted_slate_rewards",
    "direct_method",
    "discounts",
    "doubly_robust",
    "independent_inverse_propensity_score",
    "inverse_propensity_score",
    "placements_of_ranks",
    "position_based_score",
    "reward_interaction_inverse_propensity_score",
    "self_normalised_inverse_propensity_score",
    "slate_inverse_propensity_score",
    "switch_doubly_robust",
]
