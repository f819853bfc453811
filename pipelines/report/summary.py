"""The metrics of a run as a person reads them in a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipelines.report.metrics_file import Interval, Metrics

SHOWN = ("ndcg_at_10", "map", "mrr")


def print_summary(metrics: Metrics, page: Path) -> None:
    """Print the verdict, the ranking metrics with intervals, the gate's promise and where the page is."""
    console = Console()
    for labels in ("grades", "clicks"):
        rows = [policy for policy in metrics.policies if policy.labels == labels]
        shown = [name for name in SHOWN if rows and name in rows[0].metrics]
        if not shown:
            continue
        count = rows[0].metrics[shown[0]].count
        table = Table(title=f"on {labels}, {count} requests", title_justify="left")
        table.add_column("policy")
        for name in shown:
            table.add_column(name.replace("_at_", "@"), justify="right")
        for policy in rows:
            table.add_row(policy.title, *(interval_text(policy.metrics[name]).replace(" [", "\n[") for name in shown))
        console.print(table)
    gate = metrics.gate
    if gate is not None:
        console.print(
            f"gate: promised recall {gate.target:.3f}, realised {interval_text(gate.realised)} on "
            f"{gate.realised.count} held-out requests; {gate.pass_share:.1%} of the candidates pass",
            highlight=False,
        )
    for row in metrics.off_policy:
        value = "not identifiable: " + str(row.reason)
        if row.value is not None:
            value = interval_text(Interval(value=row.value, low=row.low, high=row.high, count=row.count), 5)
        console.print(
            f"off-policy {row.policy}, {row.estimator}: {value}; logged {row.logged_value:.5f}", highlight=False
        )
    verdict = "blessed" if metrics.blessing.blessed else "not blessed"
    console.print(f"{verdict}: {metrics.blessing.reason}", highlight=False, soft_wrap=True)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def interval_text(interval: Interval, digits: int = 3) -> str:
    """`0.512 [0.498, 0.527]`, or a dash where the value is not defined."""
    if interval.value is None or interval.low is None or interval.high is None:
        return "-"
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
