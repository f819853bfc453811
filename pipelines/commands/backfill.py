"""`seriatim backfill`: the pipeline for past days, one after another."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.config_option import configured
from pipelines.commands.overrides import overriding
from seriatim_errors import ConfigError, PipelineError

if TYPE_CHECKING:
    from pipelines.backfill import BackfilledDay

DAY = click.DateTime(formats=["%Y-%m-%d"])
SECONDS_A_DAY = 86_400


@click.command()
@configured
@click.option("--from", "first", type=DAY, required=True, metavar="DATE", help="Last day of the first window.")
@click.option("--to", "last", type=DAY, required=True, metavar="DATE", help="Last day of the last window.")
@click.option("--every", default="1d", show_default=True, help="From one to the next, in whole days.")
@click.option("--keep-going", is_flag=True, help="Go on with the next day where one fails.")
@click.option("--push", is_flag=True, help="Put blessed bundles into service, unless one of later days is there.")
@overriding
def backfill(
    config_path: Path,
    first: datetime,
    last: datetime,
    every: str,
    keep_going: bool,
    push: bool,
    overrides: dict[str, Any],
) -> None:
    """Run the pipeline for past days in order; days that are finished are not run again."""
    from pipelines.backfill import backfill as backfill_days
    from pipelines.backfill import backfill_config, days_between
    from pipelines.commands.run_progress import TerminalProgress
    from pipelines.config import load_config
    from pipelines.run import RunProgress
    from pipelines.scheduling.durations import seconds_of

    step, rest = divmod(seconds_of(every), SECONDS_A_DAY)
    if rest:
        raise ConfigError(f"--every {every}: is no number of whole days; give 1d, 7d or the like")
    config = load_config(config_path, overrides)
    days = days_between(first.date(), last.date(), int(step))
    shown = TerminalProgress()
    progress = RunProgress(shown.say, shown.plan, shown.start, shown.finish)
    outcomes: list[BackfilledDay] = []
    try:
        for outcome in backfill_days(config, days, progress, push, keep_going):
            outcomes.append(outcome)
            if outcome.error:
                shown.say(f"day {outcome.day} failed: {outcome.error}")
    finally:
        shown.stop()
        _print_table(outcomes)
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        left = len(days) - len(outcomes)
        raise PipelineError(
            f"{len(failed)} of {len(days)} days failed, first {failed[0].day}"
            + (f", and {left} were not run; --keep-going runs them" if left else "")
            + "; mend the cause and run again, finished days are kept"
        )
    click.echo(f"reports: {backfill_config(config, days[0], push).run_folder / 'days'}")


def _print_table(outcomes: list[BackfilledDay]) -> None:
    from pipelines.commands.schedule_options import print_rows
    from pipelines.report.wording import with_interval

    if not outcomes:
        return
    rows = []
    for outcome in outcomes:
        metrics = outcome.metrics
        if metrics is None:
            rows.append([str(outcome.day), "-", "failed", "-", "-", "-"])
            continue
        rows.append(
            [
                str(outcome.day),
                f"{sum(metrics.data.rows.values()):,}",
                "yes" if metrics.blessing.blessed else "no",
                metrics.run.bundle_version or "-",
                "-" if outcome.value is None else with_interval(outcome.value, 3),
                "yes" if outcome.cached else "no",
            ]
        )
    metric = next((one.metrics.blessing.metric for one in outcomes if one.metrics is not None), "metric")
    print_rows(["date", "rows", "blessed", "bundle", metric, "from the cache"], rows)
