"""Off-policy evaluation: what another policy would have earned on logged traffic, if the log can tell."""

from ranking.off_policy.estimate import OffPolicyEstimate, WeightDiagnostics
from ranking.off_policy.inverse_propensity import (
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
)
from ranking.off_policy.logged import LoggedImpressions

__all__ = [
    "LoggedImpressions",
    "OffPolicyEstimate",
    "WeightDiagnostics",
    "inverse_propensity_score",
    "self_normalised_inverse_propensity_score",
]
