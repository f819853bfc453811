"""The page that lays runs side by side: one self-contained HTML file, like the report of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.report import wording
from pipelines.report.cautions import cautions
from pipelines.report.compared_measures import MeasureGroup, measure_groups
from pipelines.report.compared_runs import (
    ABSENT,
    UNPAIRED,
    ReadRun,
    data_facts,
    differences_in_kind,
    differing_settings,
    further_cautions,
)
from pipelines.report.comparison import Verdict, compare, deciding_row
from pipelines.report.html import page_environment, write_page
from pipelines.report.metrics_file import Interval
from pipelines.report.page import READINGS
from pipelines.report.plots.forest import Forest, forest

LONGEST_NAMES = 120
VERDICT_WIDTH = 200


@dataclass(frozen=True)
class VerdictRow:
    """What decided in one run: the difference's words, its interval, and how that reads."""

    run: ReadRun
    decided: str
    difference: Interval
    tone: Verdict
    cautions: int


@dataclass(frozen=True)
class RunsBeside:
    """Runs as page and terminal show them.

    Attributes:
        runs: two or more.
        warnings: why their numbers do not compare; empty where they do.
        notes: what to keep in mind in any case.
        verdicts: one a run.
        verdict_plot: forest plot of the deciding differences.
        groups: the measures by kind.
        facts: what went in, by name, a text a run.
        settings: configuration that differs, by key, a value a run.
    """

    runs: Sequence[ReadRun]
    warnings: Sequence[str]
    notes: Sequence[str]
    verdicts: Sequence[VerdictRow]
    verdict_plot: Forest
    groups: Sequence[MeasureGroup]
    facts: dict[str, list[str]]
    settings: dict[str, list[str]]


def lay_beside(runs: Sequence[ReadRun]) -> RunsBeside:
    """Everything that a comparison of two runs or more shows."""
    warnings = differences_in_kind(runs)
    return RunsBeside(
        runs=runs,
        warnings=warnings,
        notes=[*further_cautions(runs), UNPAIRED],
        verdicts=[_verdict(run) for run in runs],
        verdict_plot=forest(
            [run.metrics.blessing.difference for run in runs], {"no difference": 0.0}, width=VERDICT_WIDTH
        ),
        groups=measure_groups(runs, comparable=not warnings),
        facts=data_facts(runs),
        settings=differing_settings(runs),
    )


def page_path(runs: Sequence[ReadRun], folder: Path) -> Path:
    """Where the page of a comparison lies unless a place is named: `compare-<names>.html` in the folder of runs."""
    names = "-".join(run.folder.resolve().name for run in runs)
    if len(names) > LONGEST_NAMES:
        names = f"{len(runs)}-runs-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    return folder / f"compare-{names}.html"


def write_comparison(beside: RunsBeside, path: Path) -> Path:
    """Write the page; a reader sees the old one or the new one.

    Raises:
        DataError: it cannot be written there.
    """
    return write_page(render_comparison(beside), path, "name another file with --out")


def render_comparison(beside: RunsBeside, home: str | None = None) -> str:
    """The page as HTML; every text from the data is escaped.

    Args:
        beside: what it shows.
        home: address of a list of all runs, beside which the reports lie; None for a page that stands alone.
    """
    contents = [("verdicts", "Verdicts"), *((group.name, group.title) for group in beside.groups)]
    contents += [("data", "Data"), ("configuration", "Configuration")]
    environment = page_environment()
    return environment.get_template("compare.html").render(
        beside=beside, contents=contents, readings=READINGS, absent=ABSENT, home=home, not_defined=wording.NOT_DEFINED
    )


def _verdict(run: ReadRun) -> VerdictRow:
    metrics, row = run.metrics, deciding_row(run.metrics)
    blessing = metrics.blessing
    on = f" on {row.labels}" if row is not None else ""
    decided = f"{wording.metric_title(blessing.metric)}{on} minus {wording.policy_title(blessing.against, metrics)}"
    return VerdictRow(run, decided, blessing.difference, compare(blessing.difference), len(cautions(metrics)))
