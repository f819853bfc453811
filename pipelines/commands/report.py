"""`seriatim report`: the offline metrics of a run."""

from __future__ import annotations

from pathlib import Path

import click

from seriatim_errors import DataError


@click.group()
def report() -> None:
    """Show the offline metrics of a run."""


@report.command()
@click.argument("run", required=False)
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
@click.option("--rebuild", is_flag=True, help="Write the page again from the metrics file.")
def show(run: str | None, runs: Path, rebuild: bool) -> None:
    """Print the verdict and the metrics of RUN (a name or a folder; default: the newest)."""
    from pipelines.report.metrics_file import METRICS_FILE, load_metrics
    from pipelines.report.page import FILE, FOLDER, write_report
    from pipelines.report.summary import print_summary

    folder = find_run(run, runs)
    source, page = folder / METRICS_FILE, folder / FOLDER / FILE
    metrics = load_metrics(source)
    if rebuild or not page.exists() or page.stat().st_mtime < source.stat().st_mtime:
        page = write_report(metrics, folder)
    print_summary(metrics, page)


def find_run(run: str | None, runs: Path) -> Path:
    """The folder of the run that is named, or of the newest one.

    Args:
        run: a run's name under `runs`, its folder, or its metrics file; None: the newest by its metrics file.
        runs: folder of runs.

    Raises:
        DataError: there is no such run, or none at all; the message lists those there are.
    """
    from pipelines.report.metrics_file import METRICS_FILE

    finished = sorted(runs.glob(f"*/{METRICS_FILE}"), key=lambda path: path.stat().st_mtime)
    if run is None:
        if not finished:
            raise DataError(f"no finished run under {runs}; make one with 'seriatim run'")
        return finished[-1].parent
    named = Path(run).parent if Path(run).name == METRICS_FILE else Path(run)
    for folder in (runs / named, named):
        if (folder / METRICS_FILE).exists():
            return folder
    known = ", ".join(path.parent.name for path in finished) or "none"
    raise DataError(f"run {run!r} has no {METRICS_FILE} under {runs}; finished runs: {known}")
