"""Commands on one schedule: list, pause, resume, remove, run now, prune."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.schedule_options import at_home, moment, print_rows


@click.command("list")
@at_home
def list_schedules(home: Path) -> None:
    """List the schedules: what starts them, when next, how the last run stands."""
    from pipelines.scheduling.durations import in_words
    from pipelines.scheduling.history import history
    from pipelines.scheduling.schedule_store import all_schedules

    rows = []
    for stored in all_schedules(home):
        schedule = stored.schedule
        if schedule.cron is not None:
            when = f"{schedule.cron} ({schedule.timezone})"
        elif schedule.every is not None:
            when = f"every {in_words(schedule.every)}"
        else:
            when = f"data in {schedule.on_data}"
        upcoming = "paused" if stored.paused else "-" if schedule.on_data else moment(stored.next_run)
        last = next(iter(history(home, schedule.name, 1)), None)
        shown = "-" if last is None else f"{last.state} (run {last.id})"
        rows.append([schedule.name, when, upcoming, shown, str(schedule.config)])
    if not rows:
        click.echo(f"no schedules under {home}; add one with 'seriatim schedule add'")
        return
    print_rows(["schedule", "when", "next (UTC)", "last run", "config"], rows)


@click.command()
@click.argument("name")
@at_home
def pause(name: str, home: Path) -> None:
    """Hold back new runs of a schedule; one that runs goes on."""
    from pipelines.scheduling.schedule_store import pause_schedule

    pause_schedule(home, name)
    click.echo(f"{name}: paused")


@click.command()
@click.argument("name")
@at_home
def resume(name: str, home: Path) -> None:
    """Let runs of a paused schedule start again; times that passed meanwhile are not made up for."""
    import time

    from pipelines.scheduling.schedule_store import resume_schedule

    stored = resume_schedule(home, name, time.time())
    click.echo(f"{name}: {'waits for data' if stored.schedule.on_data else f'next at {moment(stored.next_run)} UTC'}")


@click.command()
@click.argument("name")
@at_home
def remove(name: str, home: Path) -> None:
    """Forget a schedule and its waiting runs; a running one goes on, history and logs stay."""
    from pipelines.scheduling.schedule_store import remove_schedule

    remove_schedule(home, name)
    click.echo(f"{name}: removed")


@click.command("run-now")
@click.argument("name")
@at_home
def run_now(name: str, home: Path) -> None:
    """Let a schedule run once as soon as a scheduler runs and no other run of it goes on, paused or not."""
    import time

    from pipelines.scheduling.history import ask_for_run
    from pipelines.scheduling.schedule_store import the_schedule

    the_schedule(home, name)
    run = ask_for_run(home, name, "hand", time.time())
    if run is not None:
        click.echo(f"{name}: run {run.id} waits for its turn; 'seriatim schedule logs {name}' shows it")


@click.command()
@click.argument("name")
@at_home
def prune(name: str, home: Path) -> None:
    """Remove what the schedule's --keep-runs and --keep-bundles do not keep; done after every run by itself."""
    from pipelines.scheduling.retention import prune as prune_schedule
    from pipelines.scheduling.schedule_store import the_schedule

    removed = prune_schedule(home, the_schedule(home, name).schedule)
    click.echo(
        f"{name}: removed {removed.runs} old runs with their logs, {removed.artifacts} artefacts, "
        f"{removed.prepared_logs} prepared logs, {removed.bundles} bundles"
    )
