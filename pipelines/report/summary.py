"""The metrics of a run as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.report.cautions import cautions
from pipelines.report.comparison import label_order
from pipelines.report.metrics_file import Interval, Metrics, PolicyMetrics
from pipelines.report.slate_value_section import slate_value_lines
from pipelines.report.slice_section import slice_words
from pipelines.report.wording import (
    label_metric_title,
    metric_title,
    number,
    percent,
    policy_title,
    span,
    whole,
    with_interval,
)

SHOWN = ("ndcg_at_10", "map", "mrr", "ndcg_at_5", "rank_gain")
# A title wraps into the two lines that a value and its interval take.
TITLE_WIDTH, COLUMN_WIDTH = 24, 17


def print_summary(metrics: Metrics, page: Path, console: Console | None = None) -> None:
    """Print the verdict, what weakens it, the ranking metrics with intervals, the gate's promise and the page's path.

    Args:
        metrics: of the run.
        page: the report's path.
        console: where to print; None: the terminal.
    """
    terminal = console or Console()

    def say(line: str) -> None:
        terminal.print(line, highlight=False, soft_wrap=True)

    blessing = metrics.blessing
    say(f"[{'green' if blessing.blessed else 'red'}]{_verdict(blessing.blessed)}[/]: {escape(blessing.reason)}")
    for sentence in cautions(metrics):
        say(f"[yellow]note:[/] {escape(sentence)}")
    room = max(1, (terminal.width - TITLE_WIDTH - 4) // COLUMN_WIDTH)
    for labels in label_order(metrics):
        policies = [policy for policy in metrics.policies if policy.labels == labels]
        table = _table(policies, blessing.metric, room)
        if table is not None:
            terminal.print(table)
    for line in [
        *_data(metrics),
        *_slices(metrics),
        *_gate(metrics),
        *_labels(metrics),
        *_off_policy(metrics),
        *_slate_values(metrics),
    ]:
        say(line)
    say(f"report: {escape(str(page))}")


def _verdict(blessed: bool) -> str:
    return "blessed" if blessed else "not blessed"


def _table(policies: list[PolicyMetrics], first: str, room: int) -> Table | None:
    """As many metrics as fit the terminal, the deciding one first; None without any."""
    known = {name for policy in policies for name in policy.metrics}
    names = [name for name in dict.fromkeys((first, *SHOWN)) if name in known][:room] or sorted(known)[:room]
    if not names:
        return None
    undefined = Interval(value=None, low=None, high=None, count=0)
    counts = {policy.metrics.get(name, undefined).count for policy in policies for name in names}
    requests = " to ".join(whole(count) for count in sorted({min(counts), max(counts)}))
    table = Table(title=f"on {policies[0].labels}, {requests} requests", title_justify="left")
    table.add_column("policy", max_width=TITLE_WIDTH)
    for name in names:
        table.add_column(escape(metric_title(name)), justify="right", no_wrap=True)
    for policy in policies:
        found = [policy.metrics.get(name, undefined) for name in names]
        cells = [f"{number(interval.value, 3)}\n{span(interval, 3)}".strip() for interval in found]
        table.add_row(escape(policy.title), *map(escape, cells), style="bold" if policy.policy == "served" else "")
    return table


def _data(metrics: Metrics) -> Iterator[str]:
    if metrics.data.spans is not None:
        yield escape(f"days: {metrics.data.spans.words}")
    for stage, start in metrics.starts.items():
        yield escape(f"{stage}: {start.words}")


def _slices(metrics: Metrics) -> Iterator[str]:
    slices = metrics.slices
    if slices is not None and slices.deciding:
        worse, deciding = len(slices.worse) + len(slices.blocking), len(slices.deciding)
        yield escape(
            f"slices: {whole(worse)} of {whole(deciding)} shown to be worse; the most certain harm is in "
            f"{slice_words(slices.rows[0], slices)}"
        )


def _gate(metrics: Metrics) -> Iterator[str]:
    gate = metrics.gate
    if gate is not None:
        yield escape(
            f"gate: promised {gate.rate} {number(gate.target, 3)}, realised {with_interval(gate.realised, 3)} on "
            f"{whole(gate.realised.count)} held-out requests; {percent(gate.pass_share)} of the candidates pass"
        )


def _labels(metrics: Metrics) -> Iterator[str]:
    labeller = metrics.labeller
    if labeller is not None:
        for score in labeller.scores[:2]:
            yield escape(
                f"labels: {label_metric_title(score.metric)} {with_interval(score.labeller, 3)}, independent "
                f"{with_interval(score.independent, 3)}, difference {with_interval(score.difference, 3, signed=True)} "
                f"on {whole(score.difference.count)} held-out items"
            )


def _off_policy(metrics: Metrics) -> Iterator[str]:
    for row in metrics.off_policy:
        interval = Interval(value=row.value, low=row.low, high=row.high, count=row.count)
        value = with_interval(interval, 5) if row.identifiable else "not identifiable"
        yield escape(
            f"off-policy: {policy_title(row.policy, metrics)}, {metric_title(row.estimator)}: {value}; "
            f"logged {number(row.logged_value, 5)}; {whole(row.count)} impressions"
        )


def _slate_values(metrics: Metrics) -> Iterator[str]:
    yield from map(escape, slate_value_lines(metrics))
