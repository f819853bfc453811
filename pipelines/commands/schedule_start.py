"""`seriatim schedule start`: the process that runs what is scheduled."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.schedule_options import at_home


@click.command()
@at_home
@click.option("--at-once", type=click.IntRange(min=1), default=1, show_default=True, help="Pipelines at one time.")
@click.option("--until-idle", is_flag=True, help="End once no run goes on or waits.")
def start(home: Path, at_once: int, until_idle: bool) -> None:
    """Run what is scheduled; Ctrl-C lets a running pipeline finish, a second one stops it."""
    import logging

    from pipelines.scheduling.scheduler import run_scheduler

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("seriatim.schedule").setLevel(logging.INFO)
    run_scheduler(home.resolve(), at_once, until_idle)
