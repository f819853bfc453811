"""What the page's sections show, laid out from a metrics file: rows, axes and curves, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.comparison import SERVED, deciding_row, label_order
from pipelines.report.metrics_file import Interval, Metrics, PolicyDifference, PolicyMetrics
from pipelines.report.off_policy_metrics import OffPolicyMetrics
from pipelines.report.plots.curve import Curve, CurvePoint, curve
from pipelines.report.plots.forest import Forest, forest
from pipelines.report.wording import (
    STAGE_TITLES,
    digits_for,
    metric_title,
    number,
    whole,
    with_interval,
)
from ranking.metrics.rates import wilson_interval

THIN_SHARE = 0.1
# What a curve's name tells of its direction: these are the better the lower they are.
FALLING = ("loss", "edges", "penalty")
VERDICT_WIDTH, DIFFERENCES_WIDTH, OFF_POLICY_WIDTH, POSITIONS_WIDTH = 520, 260, 160, 1000
UNDEFINED = Interval(value=None, low=None, high=None, count=0)


@dataclass(frozen=True)
class MetricPanel:
    """One metric of every policy, and every paired difference in it.

    Attributes:
        name: of the metric, such as `ndcg_at_10`.
        policies, differences: (policy or pair, its interval), undefined where the file has none.
        policies_plot, differences_plot: their forest plots, row by row.
        digits, difference_digits: decimal places that suit the widths.
    """

    name: str
    policies: Sequence[tuple[PolicyMetrics, Interval]]
    policies_plot: Forest
    digits: int
    differences: Sequence[tuple[PolicyDifference, Interval]]
    differences_plot: Forest
    difference_digits: int


@dataclass(frozen=True)
class LabelSection:
    """Everything about one kind of label; `headline` is the metric shown first."""

    labels: str
    policies: Sequence[PolicyMetrics]
    panels: Sequence[MetricPanel]
    headline: str


@dataclass(frozen=True)
class TrainingPlot:
    """One column of one stage's history; `best` is the lowest point of a loss and the like, else the highest."""

    stage: str
    column: str
    plot: Curve
    first: CurvePoint
    last: CurvePoint
    best: CurvePoint


@dataclass(frozen=True)
class OffPolicyPanel:
    """Off-policy values of one kind of reward: rows, their intervals, forest plot and decimal places."""

    rows: Sequence[OffPolicyMetrics]
    intervals: Sequence[Interval]
    plot: Forest
    digits: int


@dataclass(frozen=True)
class PositionRow:
    """Click rate at one logged position with its Wilson interval; `rate.count` is impressions."""

    position: int
    clicks: int
    rate: Interval


def label_sections(metrics: Metrics) -> list[LabelSection]:
    """A section for each kind of label, the deciding one first, each with a panel for every metric."""
    sections = []
    for labels in label_order(metrics):
        policies = [row for row in metrics.policies if row.labels == labels]
        differences = sorted(
            (row for row in metrics.differences if row.labels == labels),
            key=lambda row: (row.against != metrics.blessing.against, row.policy != SERVED),
        )
        names = list(dict.fromkeys(name for row in policies for name in row.metrics))
        if not names:
            continue
        headline = metrics.blessing.metric if metrics.blessing.metric in names else names[0]
        names.sort(key=lambda name: name != headline)
        panels = [_panel(name, policies, differences, metrics) for name in names]
        sections.append(LabelSection(labels, policies, panels, headline))
    return sections


def verdict_plot(metrics: Metrics) -> Forest:
    """The deciding difference beside zero and the bound that its lower end must pass."""
    return forest(
        [metrics.blessing.difference], {"no difference": 0.0, "bound": -metrics.blessing.margin}, width=VERDICT_WIDTH
    )


def gate_plot(metrics: Metrics) -> Forest | None:
    """Promised and realised rate beside the target; None without a gate."""
    gate = metrics.gate
    if gate is None:
        return None
    middle = (gate.promised.low + gate.promised.high) / 2
    promised = Interval(value=middle, low=gate.promised.low, high=gate.promised.high, count=0)
    return forest([promised, gate.realised], {"target": gate.target})


def off_policy_panel(rows: Sequence[OffPolicyMetrics]) -> OffPolicyPanel:
    """Every off-policy value beside the logged one; undefined where one is not identifiable."""
    intervals = [
        Interval(value=row.value, low=row.low, high=row.high, count=row.count) if row.identifiable else UNDEFINED
        for row in rows
    ]
    logged = [row.logged_value for row in rows if row.logged_value is not None]
    references = {"logged": logged[0]} if logged else {}
    return OffPolicyPanel(rows, intervals, forest(intervals, references, width=OFF_POLICY_WIDTH), digits_for(intervals))


def position_rows(metrics: Metrics) -> list[PositionRow]:
    """Click rates by position, where there are impressions.

    A position occurs once a request, so its impressions are independent and the interval may be Wilson's.
    """
    rows = []
    for row in sorted(metrics.position_clicks, key=lambda row: row.position):
        if row.impressions:
            rate = wilson_interval(row.clicks, row.impressions, metrics.blessing.confidence)
            interval = Interval(value=rate.value, low=rate.low, high=rate.high, count=rate.count)
            rows.append(PositionRow(row.position, row.clicks, interval))
    return rows


def position_plot(rows: Sequence[PositionRow]) -> Curve | None:
    """Click rate over position with its band; None without rows.

    Positions far down that few requests reach have intervals too wide to share an axis with the others.
    """
    if not rows:
        return None
    enough = THIN_SHARE * max(row.rate.count for row in rows)
    points = [
        CurvePoint(
            x=row.position,
            value=row.rate.value or 0.0,
            low=row.rate.low,
            high=row.rate.high,
            words=f"position {row.position}: {with_interval(row.rate)}, "
            f"{whole(row.clicks)} clicks of {whole(row.rate.count)} impressions",
        )
        for row in rows
        if row.rate.count >= enough
    ]
    return curve(points, width=POSITIONS_WIDTH, from_zero=True)


def training_plots(metrics: Metrics) -> list[TrainingPlot]:
    """A plot for every column of every stage's history that holds a number."""
    plots = []
    for stage, rows in metrics.training.items():
        columns = dict.fromkeys(name for row in rows for name in row if name != "step")
        for column in columns:
            values = [
                (step if (step := row.get("step")) is not None else float(index), value)
                for index, row in enumerate(rows, start=1)
                if (value := row.get(column)) is not None
            ]
            if values:
                points = [
                    CurvePoint(x=step, value=value, words=f"step {step:g}: {metric_title(column)} {number(value)}")
                    for step, value in values
                ]
                best = (min if any(word in column for word in FALLING) else max)(points, key=lambda point: point.value)
                title = STAGE_TITLES.get(stage, stage)
                plots.append(TrainingPlot(title, column, curve(points), points[0], points[-1], best))
    return plots


def _panel(
    name: str, policies: Sequence[PolicyMetrics], differences: Sequence[PolicyDifference], metrics: Metrics
) -> MetricPanel:
    levels = [(row, row.metrics.get(name, UNDEFINED)) for row in policies]
    paired = [(row, row.metrics.get(name, UNDEFINED)) for row in differences]
    decided = deciding_row(metrics)
    marks = {"no difference": 0.0}
    if decided is not None and decided in differences and name == metrics.blessing.metric:
        marks["bound"] = -metrics.blessing.margin
    return MetricPanel(
        name=name,
        policies=levels,
        policies_plot=forest([interval for _, interval in levels]),
        digits=digits_for(interval for _, interval in levels),
        differences=paired,
        differences_plot=forest([interval for _, interval in paired], marks, width=DIFFERENCES_WIDTH),
        difference_digits=digits_for(interval for _, interval in paired),
    )
