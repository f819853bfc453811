"""`seriatim report`: the offline metrics of one run, of several side by side, of all in a browser."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

runs_option = click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)


@click.group()
def report() -> None:
    """Show and compare the offline metrics of runs."""


@report.command()
@click.argument("run", required=False)
@runs_option
@click.option("--rebuild", is_flag=True, help="Write page and tables again from the metrics file.")
def show(run: str | None, runs: Path, rebuild: bool) -> None:
    """Print the verdict and the metrics of RUN (a name or a folder; default: the newest)."""
    from pipelines.report.metrics_file import METRICS_FILE, read_metrics
    from pipelines.report.page import FILE, FOLDER, write_report
    from pipelines.report.run_folders import find_run
    from pipelines.report.summary import print_summary

    folder = find_run(run, runs)
    source, page = folder / METRICS_FILE, folder / FOLDER / FILE
    metrics = read_metrics(source)
    if rebuild or not page.exists() or page.stat().st_mtime < source.stat().st_mtime:
        page = write_report(metrics, folder)
    if rebuild:
        from pipelines.report.metrics_parquet import write_tables

        write_tables(metrics, folder)
    print_summary(metrics, page)


@report.command()
@click.argument("names", metavar="RUN RUN ...", nargs=-1)
@runs_option
@click.option("--out", type=click.Path(path_type=Path), help="The page.  [default: compare-<names>.html in --runs]")
def compare(names: tuple[str, ...], runs: Path, out: Path | None) -> None:
    """Lay runs (names or folders) side by side, in the terminal and on a page."""
    from pipelines.report.compare_page import lay_beside, page_path, write_comparison
    from pipelines.report.compare_summary import print_comparison
    from pipelines.report.compared_runs import read_runs

    found = read_runs(names, runs)
    beside = lay_beside(found)
    print_comparison(beside, write_comparison(beside, out or page_path(found, runs)))


@report.command()
@runs_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8600, show_default=True, help="Port; 0 picks a free one."
)
def serve(runs: Path, host: str, port: int) -> None:
    """Show all runs, their reports, comparisons and lineage in a browser until interrupted."""
    asyncio.run(_serve(runs, host, port))


async def _serve(runs: Path, host: str, port: int) -> None:
    from pipelines.report.server import ReportServer

    stopping = asyncio.Event()
    # Before the address is told: who reads it may stop the server at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = ReportServer(runs, host, port)
    address = await server.start()
    click.echo(f"runs of {runs} on {address}; stop with Ctrl-C")
    # Without the flush the line would stay in a pipe.
    sys.stdout.flush()
    await stopping.wait()
    await server.stop()
