"""The measures of several runs, each with an interval a run, and which run is best where the intervals can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.report.compared_runs import ReadRun
from pipelines.report.comparison import SERVED, label_order
from pipelines.report.labeller_metrics import LOWER_IS_BETTER, LabelScore
from pipelines.report.metrics_file import Interval, Metrics
from pipelines.report.other_intervals import intervals_by_table
from pipelines.report.plots.forest import Forest, forest
from pipelines.report.wording import (
    digits_for,
    label_metric_title,
    metric_title,
    number,
    percent,
    policy_title,
    with_interval,
)

WIDTH = 420
# What a ranking metric's name tells of its direction: these are the better the lower they are.
FALLING = ("error", "loss", "brier", "cost")
# Tables whose intervals stand in a part of their own, or are too many to lay side by side.
SHOWN_ELSEWHERE = ("policies", "slices", "gate", "labeller", "off_policy", "blessing")
MOST_OTHERS = 40
PAIRED_NOTE = (
    "Paired by request within each run. Runs may have been compared with different bundles, so no best one is marked."
)


@dataclass(frozen=True)
class Reading:
    """What one run says of a measure, and a remark on it."""

    interval: Interval
    remark: str = ""


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        title: of the measure.
        readings: one a run; None where a run has no such measure.
        best: place of the run that is certainly the best; None where the intervals do not tell.
        plot: forest plot of the intervals, row by row.
        digits: decimal places that suit the widths.
    """

    title: str
    readings: Sequence[Reading | None]
    best: int | None
    plot: Forest
    digits: int

    def words(self, place: int) -> str:
        """The interval of the run at `place` in words."""
        reading = self.readings[place]
        return "not in this run" if reading is None else with_interval(reading.interval, self.digits)


@dataclass(frozen=True)
class MeasureGroup:
    """Measures of one kind: a title, what the counts count, and the measures, the deciding one first."""

    name: str
    title: str
    counted: str
    note: str
    measures: Sequence[Measure]


def measure_groups(runs: Sequence[ReadRun], comparable: bool) -> list[MeasureGroup]:
    """All measures of the runs by kind; kinds that no run has are left out.

    Args:
        runs: two or more.
        comparable: whether their numbers are of the same requests; else no best one is marked.
    """
    known = (_gates(runs), _labels(runs, comparable), _traffic(runs, comparable))
    return [group for group in (*_served(runs, comparable), *known, *_others(runs)) if group.measures]


def certainly_best(intervals: Sequence[Interval | None], lower_is_better: bool = False) -> int | None:
    """Place of the interval that lies wholly beyond all others; None where there is none, or one is not defined.

    Intervals without width, as from a single request, tell nothing.
    """
    ends = []
    for one in intervals:
        if one is None or one.low is None or one.high is None or one.low == one.high:
            return None
        ends.append((-one.high, -one.low) if lower_is_better else (one.low, one.high))
    best = max(range(len(ends)), key=lambda place: ends[place][0])
    return best if all(ends[best][0] > high for place, (_, high) in enumerate(ends) if place != best) else None


def _measure(
    title: str, readings: Sequence[Reading | None], comparable: bool, lower_is_better: bool = False
) -> Measure:
    intervals = [None if reading is None else reading.interval for reading in readings]
    there = [interval for interval in intervals if interval is not None]
    undefined = Interval(value=None, low=None, high=None, count=0)
    return Measure(
        title=title,
        readings=readings,
        best=certainly_best(intervals, lower_is_better) if comparable else None,
        plot=forest([undefined if interval is None else interval for interval in intervals], width=WIDTH),
        digits=digits_for(there),
    )


def _served(runs: Sequence[ReadRun], comparable: bool) -> list[MeasureGroup]:
    groups = []
    kinds = list(dict.fromkeys(kind for run in runs for kind in label_order(run.metrics)))
    for labels in kinds:
        found = [served_metrics(run.metrics, labels) for run in runs]
        deciding = [run.metrics.blessing.metric for run in runs]
        names = list(dict.fromkeys(name for metrics in found for name in metrics))
        names.sort(key=lambda name: name not in deciding)
        measures = [
            _measure(
                metric_title(name),
                [_reading(metrics.get(name)) for metrics in found],
                comparable,
                any(word in name for word in FALLING),
            )
            for name in names
        ]
        note = f"The slates as each run would serve them, on held-out requests with {_relevant(labels)}."
        groups.append(MeasureGroup(f"served-{labels}", f"Served slates on {labels}", "requests", note, measures))
    return groups


def _relevant(labels: str) -> str:
    return "a click" if labels == "clicks" else "a relevant item"


def served_metrics(metrics: Metrics, labels: str) -> Mapping[str, Interval]:
    """The served slates' metrics on a kind of labels, by name; empty without any."""
    for policy in metrics.policies:
        if policy.policy == SERVED and policy.labels == labels:
            return policy.metrics
    return {}


def _reading(interval: Interval | None) -> Reading | None:
    return None if interval is None else Reading(interval)


def _gates(runs: Sequence[ReadRun]) -> MeasureGroup:
    readings = [
        None
        if (gate := run.metrics.gate) is None
        else Reading(
            gate.realised,
            f"promised {number(gate.target, 3)}; {percent(gate.pass_share)} of the candidates pass",
        )
        for run in runs
    ]
    # More than was promised is no merit: it lets more pass than there need be.
    measures = [_measure("Realised recall", readings, comparable=False)] if any(readings) else []
    note = "The share of items with a click, or relevant ones, that each gate let pass, beside what it promised."
    return MeasureGroup("gate", "Gate", "requests", note, measures)


def _labels(runs: Sequence[ReadRun], comparable: bool) -> MeasureGroup:
    labellers = [run.metrics.labeller for run in runs]
    scores = [{} if one is None else {score.metric: score for score in one.scores} for one in labellers]
    measures = []
    for metric in dict.fromkeys(metric for found in scores for metric in found):
        readings = [None if metric not in found else _score(found[metric]) for found in scores]
        measures.append(_measure(label_metric_title(metric), readings, comparable, metric in LOWER_IS_BETTER))
    note = "How well each labeller sets tags on held-out items; of Hamming loss, lower is better."
    return MeasureGroup("labels", "Labels", "items", note, measures)


def _score(score: LabelScore) -> Reading:
    difference = with_interval(score.difference, digits_for([score.difference]), signed=True)
    return Reading(score.labeller, f"{difference} beside independent labels")


def _traffic(runs: Sequence[ReadRun], comparable: bool) -> MeasureGroup:
    found = [{(row.policy, row.estimator): row for row in run.metrics.off_policy} for run in runs]
    measures = []
    for policy, estimator in dict.fromkeys(key for rows in found for key in rows):
        readings: list[Reading | None] = []
        reliable = comparable
        for rows in found:
            row = rows.get((policy, estimator))
            if row is None:
                readings.append(None)
                continue
            reliable = reliable and row.identifiable and not row.caution
            ends = (row.value, row.low, row.high) if row.identifiable else (None, None, None)
            remark = f"logged {number(row.logged_value, 5)}"
            if not row.identifiable:
                remark = f"not identifiable: {row.reason}"
            elif row.caution:
                remark += f"; not to be relied on: {row.caution}"
            value, low, high = ends
            readings.append(Reading(Interval(value=value, low=low, high=high, count=row.count), remark))
        title = f"{_title(policy, runs)}, {metric_title(estimator)}"
        measures.append(_measure(title, readings, reliable))
    note = "Mean reward an impression that each policy would have earned on the logged traffic."
    return MeasureGroup("off_policy", "Off-policy value", "impressions", note, measures)


def _others(runs: Sequence[ReadRun]) -> list[MeasureGroup]:
    """Whatever else has intervals, the paired differences within each run first among it."""
    found = [intervals_by_table(run.metrics) for run in runs]
    groups = []
    for table in dict.fromkeys(table for tables in found for table in tables):
        if table.startswith(SHOWN_ELSEWHERE):
            continue
        inside = [tables.get(table, {}) for tables in found]
        titles = list(dict.fromkeys(title for intervals in inside for title in intervals))
        measures = [
            _measure(title, [_reading(intervals.get(title)) for intervals in inside], comparable=False)
            for title in titles[:MOST_OTHERS]
        ]
        more = f" {len(titles) - MOST_OTHERS} more are in the tables of metrics." if len(titles) > MOST_OTHERS else ""
        paired = table == "differences"
        note = f"{PAIRED_NOTE if paired else 'As each run found it; no best one is marked.'}{more}"
        title = table.removesuffix("_rows").replace("_", " ").capitalize()
        groups.append(MeasureGroup(f"other-{table}", title, "requests" if paired else "counted", note, measures))
    return groups


def _title(policy: str, runs: Sequence[ReadRun]) -> str:
    titles = [policy_title(policy, run.metrics) for run in runs]
    # A run that does not list the policy knows a general title at best.
    listed = [policy in [row.policy for row in run.metrics.policies] for run in runs]
    return titles[listed.index(True) if any(listed) else 0]
