"""What an interval says beside a reference: above it, below it, or neither."""

from __future__ import annotations

from typing import Literal

from pipelines.report.metrics_file import Interval, Metrics, PolicyDifference

SERVED = "served"
Verdict = Literal["above", "below", "undecided", "identical", "degenerate", "undefined"]


def compare(interval: Interval, reference: float = 0.0) -> Verdict:
    """Where an interval lies beside `reference`.

    Returns:
        `above` or `below` when the whole interval is; `undecided` when it holds the reference; `identical` when
        it has no width and is the reference, so that nothing differed; `degenerate` when it has no width
        elsewhere, as from a single request or without a single reward; `undefined` without a value.
    """
    if interval.low is None or interval.high is None:
        return "undefined"
    if interval.low == interval.high:
        return "identical" if interval.low == reference else "degenerate"
    if interval.low > reference:
        return "above"
    return "below" if interval.high < reference else "undecided"


def deciding_row(metrics: Metrics) -> PolicyDifference | None:
    """The row of `differences` that the blessing rests on, or None when the file does not hold it."""
    blessing = metrics.blessing
    for row in metrics.differences:
        decided = row.policy == SERVED and row.against == blessing.against
        if decided and row.metrics.get(blessing.metric) == blessing.difference:
            return row
    return None


def label_order(metrics: Metrics) -> list[str]:
    """The kinds of labels there are metrics on, the one that the blessing rests on first."""
    row = deciding_row(metrics)
    kinds = sorted({policy.labels for policy in metrics.policies})
    return sorted(kinds, key=lambda kind: row is None or kind != row.labels)
