"""The answer of an off-policy estimator: a value with its interval, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OffPolicyEstimate:
    """The estimated mean reward of a policy that did not write the log.

    Attributes:
        estimator: name of the estimator, such as `ips`.
        value, low, high: estimate and ends of its interval, in units of the reward; None when not
            identifiable.
        clipped_value, clipped_low, clipped_high: the same with weights capped at `clip`; None without a cap or
            when not identifiable.
        clip: the cap on weights, or None.
        identifiable: whether the log can tell the value at all.
        reason: why not; None when identifiable.
        caution: why the value, though identifiable, should not be relied on; None when nothing speaks against.
        logged_value: mean reward under the logging policy, the number to compare with; nan for an empty log, which
            `reason` tells.
        count: impressions, or slates, used.
        diagnostics: how much the weights can be trusted; None without propensities.
    """

    estimator: str
    value: float | None
    low: float | None
    high: float | None
    clipped_value: float | None
    clipped_low: float | None
    clipped_high: float | None
    clip: float | None
    identifiable: bool
    reason: str | None
    caution: str | None
    logged_value: float
    count: int
    diagnostics: WeightDiagnostics | None

    @property
    def clip_bias(self) -> float | None:
        """What the cap adds to the value, `clipped_value - value`; None where there is no clipped value."""
        if self.value is None or self.clipped_value is None:
            return None
        return self.clipped_value - self.value


@dataclass(frozen=True)
class WeightDiagnostics:
    """What importance weights w = target probability / propensity say about an estimate's trustworthiness.

    An estimator of slates has a weight at every position; what it says of slates is then averaged over theirs.

    Attributes:
        count: number of impressions, or slates.
        effective_sample_size: `(sum w)**2 / sum w**2`, in impressions or slates.
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
