"""`seriatim schedule add`: which pipeline runs when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.commands.config_option import ConfigFile
from pipelines.commands.overrides import overriding
from pipelines.commands.schedule_options import at_home, moment


@click.command()
@click.argument("name")
@at_home
@click.option("--config", type=ConfigFile(), required=True, help="Configuration: a file, or the name of a shipped one.")
@overriding
@click.option("--cron", help="Five fields of cron, such as '0 3 * * *'.")
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of --cron, such as Europe/Berlin.")
@click.option("--every", help="An interval, such as 1h.")
@click.option("--on-data", type=click.Path(path_type=Path), help="File or folder whose new files start a run.")
@click.option("--settle", default="60s", show_default=True, help="How long data must have stayed as they are.")
@click.option(
    "--missed",
    type=click.Choice(["skip", "once", "all"]),
    default="once",
    show_default=True,
    help="Times that passed while no run could start: none is made up for, one run for all, or each.",
)
@click.option("--retries", type=click.IntRange(min=0), default=3, show_default=True, help="Attempts after a failure.")
@click.option("--backoff", default="60s", show_default=True, help="Pause before the second attempt; then it doubles.")
@click.option("--keep-runs", type=click.IntRange(min=1), help="Newest runs whose logs and artefacts are kept.")
@click.option("--keep-bundles", type=click.IntRange(min=1), help="Newest bundles that are kept.")
@click.option("--on-failure-webhook", help="Address that gets a JSON POST when a run has failed.")
@click.option("--on-failure-command", help="Command that is run, without a shell, when a run has failed.")
def add(
    name: str,
    home: Path,
    config: Path,
    overrides: dict[str, Any],
    every: str | None,
    on_data: Path | None,
    settle: str,
    backoff: str,
    on_failure_webhook: str | None,
    on_failure_command: str | None,
    **settings: Any,
) -> None:
    """Schedule a pipeline by --cron, --every or --on-data; relative paths of its configuration begin in this folder."""
    import time

    from pipelines.scheduling.durations import seconds_of
    from pipelines.scheduling.outcome import config_of
    from pipelines.scheduling.schedule import Schedule
    from pipelines.scheduling.schedule_store import add_schedule
    from seriatim_config import read_config

    given = {
        **settings,
        "name": name,
        "config": config.resolve(),
        "folder": Path.cwd(),
        "overrides": overrides,
        "every": None if every is None else seconds_of(every),
        "on_data": None if on_data is None else on_data.resolve(),
        "settle": seconds_of(settle),
        "backoff": seconds_of(backoff),
        "webhook": on_failure_webhook,
        "command": on_failure_command,
        "created": time.time(),
    }
    schedule = read_config(None, Schedule, given)
    pipeline = config_of(schedule)
    stored = add_schedule(home, schedule)
    waits = f"waits for data in {schedule.on_data}" if schedule.on_data else f"next at {moment(stored.next_run)} UTC"
    click.echo(f"{name}: pipeline {pipeline.name}, {waits}")
