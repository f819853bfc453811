"""Decide whether a candidate bundle may be pushed."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.config import EvaluationConfig
from pipelines.report.slice_metrics import SliceMetrics, SliceName
from ranking.metrics.intervals import MetricInterval


@dataclass(frozen=True)
class Verdict:
    """The blessing rule's answer: `reason` says it in one sentence for the log and the report.

    `blocking` names the slices that speak against the push, the most certain harm first.
    """

    blessed: bool
    against: str
    difference: MetricInterval
    reason: str
    blocking: tuple[SliceName, ...] = ()


def bless(
    difference: MetricInterval, against: str, config: EvaluationConfig, slices: SliceMetrics | None = None
) -> Verdict:
    """Blessed when the lower bound of the paired difference in the blessing metric is above minus the margin.

    A slice that is certainly worse by more than its own margin blocks what would be blessed otherwise.

    Args:
        difference: candidate minus reference, by request, with its interval.
        against: the reference: `baseline` (the bundle in service) or the base order where there is none.
        config: names the metric, the margin and the confidence.
        slices: the same difference slice by slice; None where nothing is sliced.
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
    if slices is None or not slices.blocking:
        return Verdict(blessed, against, difference, reason)
    blocking = tuple(SliceName(column=row.column, value=row.value) for row in slices.blocking)
    return Verdict(False, against, difference, f"{reason}; {_blocked(slices)}", blocking)


def _blocked(slices: SliceMetrics) -> str:
    """The slice that is most certainly worse, its row in numbers, and how many more there are."""
    worst, margin = slices.blocking[0], slices.margin
    difference = worst.differences[slices.metric]
    more = len(slices.blocking) - 1
    return (
        f"the slice {worst.column} = {worst.value!r} blocks: there it is {difference.value:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}] over {difference.count} requests, and at most "
        f"{worst.at_most:+.4f} when corrected for {len(slices.deciding)} slices, which is below {-(margin or 0.0):+.4f}"
        + (f" (and {more} more {'slices block' if more > 1 else 'slice blocks'})" if more else "")
    )
