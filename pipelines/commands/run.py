"""`seriatim run`: click log in, validated model bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.config_option import configured
from pipelines.commands.overrides import overriding
from pipelines.phases import PHASES, Phase

if TYPE_CHECKING:
    from pipelines.config import PipelineConfig
    from pipelines.locations import Location


@click.command()
@configured
@click.option("--data", help="Click log, path or URL, in place of the config's data.path.")
@click.option("--items", help="Item catalogue, path or URL, in place of the config's data.items.")
@click.option("--span", metavar="DATE", help="Last day of the window, in place of the config's data.spans.last.")
@click.option("--name", help="Name of the run, in place of the config's.")
@click.option(
    "--until", "last", type=click.Choice(PHASES), default=PHASES[-1], show_default=True, help="Phase to end after."
)
@overriding
def run(
    config_path: Path,
    data: str | None,
    items: str | None,
    span: str | None,
    name: str | None,
    last: Phase,
    overrides: dict[str, Any],
) -> None:
    """Train, evaluate, bless and push models from a click log; unchanged steps are not run again."""
    from pipelines.commands.run_progress import TerminalProgress
    from pipelines.config import load_config
    from pipelines.report.page import write_report
    from pipelines.report.summary import print_summary
    from pipelines.run import RunProgress
    from pipelines.run import run as run_pipeline

    given = dict(overrides)
    if data is not None:
        # A log that a person names is never made up.
        overrides |= {"data.path": data, "data.simulate": None}
    if items is not None:
        overrides["data.items"] = items
    if span is not None:
        overrides["data.spans.last"] = span
    if name is not None:
        overrides["name"] = name
    config = load_config(config_path, overrides)
    shown = TerminalProgress()
    named_items = "data.items" in overrides
    if (
        data is not None
        and not named_items
        and catalogue_is_simulated(load_config(config_path, given), config.data.path)
    ):
        config = config.model_copy(update={"labeller": None, "images": None})
        shown.say("no labels, no images: the config's catalogue is of the simulated log; name this log's with --items")
    try:
        finished = run_pipeline(config, RunProgress(shown.say, shown.plan, shown.start, shown.finish), last)
    finally:
        shown.stop()
    if finished is None:
        click.echo(f"ended after the {last} phase; run again without --until, or until a later phase, to go on")
        return
    page = write_report(finished.metrics, finished.folder)
    print_summary(finished.metrics, page)
    if finished.bundle is not None:
        click.echo(f"bundle: {finished.bundle}")


def catalogue_is_simulated(config: PipelineConfig, data: Location) -> bool:
    """Whether the configured catalogue is made with the configured log, in whose place `data` stands."""
    made = config.data.simulate is not None and not (config.labeller is None and config.images is None)
    return made and not (data.is_local and data.local.resolve() == config.data.path.local.resolve())
