"""The pages that `seriatim report serve` adds to the reports: the list of runs, and a run's lineage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from pipelines.report.comparison import compare, deciding_row
from pipelines.report.html import page_environment
from pipelines.report.lineage import Lineage, Step
from pipelines.report.page import READINGS
from pipelines.report.plots.flow import DrawnFlow, FlowNode, flow
from pipelines.report.plots.forest import forest
from pipelines.report.run_list import ListedRun
from pipelines.report.wording import digits_for, policy_title

PLOT_WIDTH = 150
NOT_RECORDED = "no lineage recorded"


def render_list(found: Sequence[ListedRun], runs: Path) -> str:
    """The page of all runs as HTML; every text from the data is escaped."""
    finished = [(run, run.metrics) for run in found if run.metrics is not None]
    differences = [metrics.blessing.difference for _, metrics in finished]
    plot = forest(differences, {"no difference": 0.0}, width=PLOT_WIDTH)
    return (
        page_environment()
        .get_template("runs.html")
        .render(
            contents=[("runs", "Runs"), ("unfinished", "Without metrics")],
            place=str(runs.resolve()),
            finished=[run for run, _ in finished],
            unfinished=[run for run in found if run.metrics is None],
            labels={run.name: row.labels for run, metrics in finished if (row := deciding_row(metrics)) is not None},
            against={run.name: policy_title(metrics.blessing.against, metrics) for run, metrics in finished},
            tones={run.name: compare(metrics.blessing.difference) for run, metrics in finished},
            readings=READINGS,
            plot=plot,
            digits=digits_for([run.served for run, _ in finished if run.served is not None]),
            difference_digits=digits_for(differences),
            moments={run.name: _moment(run.changed) for run in found},
        )
    )


def render_lineage(
    run: ListedRun, lineage: Lineage | str, found: Sequence[ListedRun], config: str | None, home: str
) -> str:
    """A run's lineage as HTML.

    Args:
        run: of which.
        lineage: of it, or why there is none to show.
        found: all runs, among which the maker of the bundle is looked for that it was compared with.
        config: its configuration as text; None where none is recorded.
        home: address of the list of all runs.
    """
    makers = {
        other.metrics.run.bundle_version: other.name
        for other in reversed(found)
        if other.metrics is not None and other.metrics.run.bundle_version is not None
    }
    told = None if isinstance(lineage, str) else lineage
    contents = [("parents", "Parents"), ("graph", "Graph"), ("steps", "Components"), ("artifacts", "Artifacts")]
    return (
        page_environment()
        .get_template("lineage.html")
        .render(
            contents=[*(contents[:1] if told is None else contents), ("configuration", "Configuration")],
            run=run,
            lineage=told,
            reason=lineage,
            drawing=None if told is None else lineage_flow(told),
            baseline=Path(told.baseline).name if told is not None and told.baseline else None,
            makers=makers,
            config=config,
            home=home,
        )
    )


def render_mistake(message: str, home: str) -> str:
    """A page that says what was asked for and cannot be had; `home` is the address of the list."""
    return (
        page_environment()
        .get_template("mistake.html")
        .render(contents=[("mistake", "Mistake")], message=message, home=home)
    )


def lineage_flow(lineage: Lineage) -> DrawnFlow:
    """The components from top to bottom, each with the artifacts it put out; a link where one took another's."""
    makers = {artifact: place for place, step in enumerate(lineage.steps) for _, artifact in step.outputs}
    links = {
        (makers[artifact], place)
        for place, step in enumerate(lineage.steps)
        for _, artifact in step.inputs
        if makers.get(artifact, place) < place
    }
    return flow([_node(step) for step in lineage.steps], sorted(links))


def _node(step: Step) -> FlowNode:
    names = ", ".join(name for name, _ in step.outputs)
    takes = ", ".join(name for name, _ in step.inputs) or "nothing"
    words = f"{step.component} ({step.state}) takes {takes} and puts out {names or 'nothing'}"
    return FlowNode(step.component, names, words, step.state.replace(" ", "-"))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="minutes")[:16].replace("T", " ")
