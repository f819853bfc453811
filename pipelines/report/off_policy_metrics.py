"""The parts of a metrics file on off-policy values, of single impressions and of slates."""

from __future__ import annotations

from pydantic import model_validator

from pipelines.report.metrics_parts import Count, OptionalFinite, Part


class OffPolicyMetrics(Part):
    """What a policy would have earned on the logged traffic, or why that cannot be said.

    `value`, `low`, `high` and `logged_value` are in units of the reward an impression, or a slate; the weights are the
    policy's probability over the logged propensity. `reason` says why the value is not identifiable,
    `caution` what speaks against relying on one that is.
    """

    policy: str
    estimator: str
    value: OptionalFinite
    low: OptionalFinite
    high: OptionalFinite
    effective_sample_size: OptionalFinite
    max_weight: OptionalFinite
    mean_weight: OptionalFinite
    identifiable: bool
    reason: str | None
    caution: str | None = None
    logged_value: OptionalFinite
    count: Count


class SlateValues(Part):
    """Off-policy values of policies that order the items which each slate showed.

    Of the evaluation split's `slates`, `drawn` are those whose logger had a choice, which are judged (all of them where
    it never had one); `complete` of these showed all that there was to draw. Clicks on the first `positions` count:
    alike in `clicks`, by `1 / log2(position + 1)` in `discounted_clicks`. `logger` is what is known of the draw.
    """

    slates: Count
    drawn: Count
    complete: Count
    positions: Count
    logger: str
    clicks: tuple[OffPolicyMetrics, ...]
    discounted_clicks: tuple[OffPolicyMetrics, ...]

    @model_validator(mode="after")
    def _counts_are_nested(self) -> SlateValues:
        if not max(self.drawn, self.complete) <= self.slates:
            raise ValueError(f"drawn {self.drawn} or complete {self.complete} are more than slates {self.slates}")
        return self
