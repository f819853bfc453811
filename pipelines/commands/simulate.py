"""`seriatim simulate`: make a seeded marketplace click log; `simulate week` goes on to live in it."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from seriatim_commands import LazyGroup, Subcommand

SUBCOMMANDS = {
    "week": Subcommand(
        "pipelines.commands.simulate_week:week", "Serve, log, train at night, try as a canary; for days."
    ),
}


@click.group(cls=LazyGroup, subcommands=SUBCOMMANDS, invoke_without_command=True)
@click.pass_context
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data/marketplace"),
    show_default=True,
    help="Folder of the files.",
)
@click.option("--requests", type=click.IntRange(min=10), default=3000, show_default=True, help="Requests in the log.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the marketplace.")
@click.option(
    "--format",
    "log_format",
    type=click.Choice(["parquet", "csv", "jsonl"]),
    default="parquet",
    show_default=True,
    help="Of the log and the catalogue.",
)
def simulate(context: click.Context, out: Path, requests: int, seed: int, log_format: str) -> None:
    """Make a click log, an item catalogue and the truth behind them; the same seed gives the same files."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from pipelines.simulation import SimulationSettings, write_marketplace

    files = write_marketplace(SimulationSettings(requests=requests, seed=seed), out, log_format)  # type: ignore[arg-type]
    click.echo(f"{files.clicks}: {requests} requests, {files.rows} impressions, {files.clicked} clicks")
    click.echo(f"{files.items}: the item catalogue with thumbnails and tags")
    click.echo(f"{files.truth}: utilities and relevance, which the log does not show")
    click.echo(f"{files.item_truth}: all tags and the thumbnails' classes")


def _refuse_options(context: click.Context) -> None:
    """Options before a subcommand would be of no effect."""
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} before {context.invoked_subcommand} has no effect; put it behind", context
            )
