"""Runs side by side as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.report.compare_page import RunsBeside
from pipelines.report.compared_measures import Measure, MeasureGroup
from pipelines.report.wording import digits_for, number, seconds, span, whole

# Measures of a kind, the deciding one first; the page has all.
SHOWN = 6


def print_comparison(beside: RunsBeside, page: Path, console: Console | None = None) -> None:
    """Print warnings, verdicts, measures with intervals and counts, what differs in data and configuration, the page.

    Args:
        beside: the runs.
        page: the comparison's path.
        console: where to print; None: the terminal.
    """
    terminal = console or Console()

    def say(line: str) -> None:
        terminal.print(line, highlight=False, soft_wrap=True)

    for sentence in beside.warnings:
        say(f"[red]warning:[/] {escape(sentence)}")
    for sentence in beside.notes:
        say(f"[yellow]note:[/] {escape(sentence)}")
    terminal.print(_verdicts(beside))
    for group in beside.groups:
        terminal.print(_measures(group, beside))
    terminal.print(_texts("data", beside.facts, beside))
    if beside.settings:
        terminal.print(_texts("configuration that differs", beside.settings, beside))
    say(f"comparison: {escape(str(page))}")


def _table(first: str, beside: RunsBeside) -> Table:
    table = Table(title_justify="left", title=escape(first), title_style="bold")
    table.add_column("")
    for run in beside.runs:
        table.add_column(escape(run.name), overflow="fold")
    return table


def _verdicts(beside: RunsBeside) -> Table:
    table = _table("verdict", beside)
    digits = digits_for(row.difference for row in beside.verdicts)
    blessings = [run.metrics.blessing for run in beside.runs]
    table.add_row("verdict", *("[green]blessed[/]" if one.blessed else "[red]not blessed[/]" for one in blessings))
    rows = {
        "decided by": [row.decided for row in beside.verdicts],
        "difference": [
            f"{number(row.difference.value, digits, True)}\n{span(row.difference, digits, True)}".strip()
            for row in beside.verdicts
        ],
        "requests": [whole(row.difference.count) for row in beside.verdicts],
        "margin": [number(one.margin) for one in blessings],
        "bundle": [run.metrics.run.bundle_version or "none" for run in beside.runs],
        "made": [run.metrics.run.created[:16].replace("T", " ") for run in beside.runs],
        "time": [seconds(run.seconds) for run in beside.runs],
    }
    _add_rows(table, rows)
    return table


def _measures(group: MeasureGroup, beside: RunsBeside) -> Table:
    table = _table(group.title, beside)
    for measure in group.measures[:SHOWN]:
        cells = [_cell(measure, place, group.counted) for place in range(len(beside.runs))]
        table.add_row(escape(measure.title), *cells)
    more = len(group.measures) - SHOWN
    if more > 0:
        table.caption = f"{more} more on the page"
    return table


def _cell(measure: Measure, place: int, counted: str) -> str:
    reading = measure.readings[place]
    if reading is None:
        return "not in this run"
    value = number(reading.interval.value, measure.digits)
    lines = [span(reading.interval, measure.digits), f"{whole(reading.interval.count)} {counted}", reading.remark]
    head = f"[bold green]{value} best[/]" if measure.best == place else escape(value)
    return "\n".join([head, *(escape(line) for line in lines if line)])


def _texts(title: str, rows: dict[str, list[str]], beside: RunsBeside) -> Table:
    table = _table(title, beside)
    _add_rows(table, rows)
    return table


def _add_rows(table: Table, rows: dict[str, list[str]]) -> None:
    for name, values in rows.items():
        table.add_row(escape(name), *_escaped(values))


def _escaped(values: Sequence[str]) -> list[str]:
    return [escape(value) for value in values]
