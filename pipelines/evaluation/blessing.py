"""Decide whether a candidate bundle may be pushed."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.config import EvaluationConfig
from ranking.metrics.intervals import MetricInterval


@dataclass(frozen=True)
class Verdict:
    """The blessing rule's answer: `reason` says it in one sentence for the log and the report."""

    blessed: bool
    against: str
    difference: MetricInterval
    reason: str


def bless(difference: MetricInterval, against: str, config: EvaluationConfig) -> Verdict:
    """Blessed when the lower bound of the paired difference in the blessing metric is above minus the margin.

    Args:
        difference: candidate minus reference, by request, with its interval.
        against: the reference: `baseline` (the bundle in service) or the base order where there is none.
        config: names the metric, the margin and the confidence.
    """
    if difference.count == 0:
        reason = f"{config.blessing_metric} is defined for none of the held-out requests, so nothing can be compared"
        return Verdict(False, against, difference, reason)
    bound = -config.blessing_margin
    blessed = difference.low > bound
    comparison = "is above" if blessed else "is not above"
    reason = (
        f"{config.blessing_metric} of the candidate minus {against} is {difference.value:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}] over {difference.count} requests; "
        f"the lower bound {comparison} {bound:+.4f}"
    )
    return Verdict(blessed, against, difference, reason)
