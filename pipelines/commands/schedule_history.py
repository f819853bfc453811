"""What became of scheduled runs, and what they printed."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.schedule_options import at_home, moment, print_rows

FOLLOW_SECONDS = 0.5


@click.command()
@click.argument("name", required=False)
@at_home
@click.option("--newest", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all that is known of a run.")
def history(name: str | None, home: Path, newest: int, as_json: bool) -> None:
    """Show what became of runs, the newest first, of one schedule or of all."""
    import json
    from dataclasses import asdict

    from pipelines.scheduling.durations import in_words
    from pipelines.scheduling.history import history as runs_of

    runs = runs_of(home, name, newest)
    if as_json:
        for run in runs:
            click.echo(json.dumps(asdict(run)))
        return
    rows = []
    for run in runs:
        took = in_words(round(run.ended - run.started)) if run.started and run.ended else "-"
        outcome = run.state if run.exit_code in (None, 0) else f"{run.state} ({run.exit_code})"
        rows.append(
            [
                *(str(run.id), run.schedule, run.trigger, moment(run.started or run.due), took, outcome),
                *(str(run.attempts), run.bundle or "-", run.reason or "-"),
            ]
        )
    print_rows(
        ["run", "schedule", "by", "started or due (UTC)", "took", "outcome", "attempts", "bundle", "reason"], rows
    )


@click.command()
@click.argument("name")
@at_home
@click.option("--run", "number", type=int, help="Number of the run; left out: the newest.")
@click.option("--follow", is_flag=True, help="Go on until the run has ended.")
def logs(name: str, home: Path, number: int | None, follow: bool) -> None:
    """Show what a run of a schedule printed."""
    import sys
    import time

    from pipelines.scheduling.history import find_run
    from pipelines.scheduling.history import history as runs_of
    from seriatim_errors import ConfigError

    runs = [run for run in runs_of(home, name, -1) if number is None or run.id == number]
    if not runs:
        raise ConfigError(f"schedule {name!r} has no run{'' if number is None else f' {number}'} under {home}")
    shown, ended = 0, False
    while True:
        run = find_run(home, runs[0].id)
        ended = run is None or run.state not in ("waiting", "running")
        if run is not None and run.log is not None and (home / run.log).exists():
            with (home / run.log).open("rb") as stream:
                stream.seek(shown)
                content = stream.read()
            shown += len(content)
            sys.stdout.write(content.decode("utf-8", "replace"))
            sys.stdout.flush()
        if ended or not follow:
            return
        time.sleep(FOLLOW_SECONDS)
