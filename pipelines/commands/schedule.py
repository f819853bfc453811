"""`seriatim schedule`: pipelines by cron, by interval and when new data arrive."""

from __future__ import annotations

import click

from seriatim_commands import LazyGroup, Subcommand

SUBCOMMANDS = {
    "start": Subcommand("pipelines.commands.schedule_start:start", "Run what is scheduled, until Ctrl-C."),
    "add": Subcommand("pipelines.commands.schedule_add:add", "Schedule a pipeline."),
    "list": Subcommand("pipelines.commands.schedule_manage:list_schedules", "List the schedules."),
    "pause": Subcommand("pipelines.commands.schedule_manage:pause", "Hold back new runs of a schedule."),
    "resume": Subcommand("pipelines.commands.schedule_manage:resume", "Let runs of a schedule start again."),
    "remove": Subcommand("pipelines.commands.schedule_manage:remove", "Forget a schedule."),
    "run-now": Subcommand("pipelines.commands.schedule_manage:run_now", "Let a schedule run once, now."),
    "history": Subcommand("pipelines.commands.schedule_history:history", "Show what became of runs."),
    "logs": Subcommand("pipelines.commands.schedule_history:logs", "Show the log of a run."),
    "prune": Subcommand("pipelines.commands.schedule_manage:prune", "Remove what old runs of a schedule left."),
}


@click.group(cls=LazyGroup, subcommands=SUBCOMMANDS)
def schedule() -> None:
    """Run pipelines by cron, by interval and when new data arrive; commands work whether the scheduler runs or not."""
