"""A pipeline for past days: one run after another, each as if its day were the newest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.config import PipelineConfig
from pipelines.locations import Location
from pipelines.report.comparison import SERVED, label_order
from pipelines.report.metrics_file import METRICS_FILE, Interval, Metrics
from pipelines.report.page import write_report
from pipelines.report.run_folders import CONFIG_FILE
from pipelines.run import FinishedRun, RunProgress, run
from seriatim_errors import ConfigError, SeriatimError

FOLDER, DAYS = "backfill", "days"


@dataclass(frozen=True)
class BackfilledDay:
    """What became of one day.

    Attributes:
        day: last of its window.
        metrics: of its run; None where it failed.
        cached: whether nothing of it was left to do.
        error: why it failed; empty where it did not.
    """

    day: date
    metrics: Metrics | None
    cached: bool
    error: str

    @property
    def value(self) -> Interval | None:
        """The metric that decides, of the policy as served; None where the run has none."""
        metrics = self.metrics
        if metrics is None:
            return None
        kinds = label_order(metrics)[:1]
        served = [row for row in metrics.policies if row.policy == SERVED and row.labels in kinds]
        return served[0].metrics.get(metrics.blessing.metric) if served else None


def backfill_config(config: PipelineConfig, day: date, push: bool) -> PipelineConfig:
    """The configuration of one day's run.

    Without `push` it has folders of its own under the pipeline's run folder: nothing that serves or reports sees it,
    and a scheduled run may go on beside it. There the bundles are pushed all the same, each is compared with that of
    the day before and may start from it.

    Raises:
        ConfigError: the pipeline's log has no days.
    """
    if config.data.spans is None:
        raise ConfigError(
            "data.spans: is missing; a backfill runs over the days of a log, such as path: logs/{date}/log.parquet "
            "with spans: {window: 7}"
        )
    data = config.data.model_copy(update={"spans": config.data.spans.model_copy(update={"last": day})})
    place = config.run_folder / FOLDER
    folders = {} if push else {"run_root": place, "bundle_root": Location(place / "bundles")}
    return config.model_copy(update={"data": data, **folders})


def days_between(first: date, last: date, every: int) -> list[date]:
    """The days from `first` to `last`, `every` so many days.

    Raises:
        ConfigError: the first is after the last, or `every` is below 1.
    """
    if first > last:
        raise ConfigError(f"--from {first} is after --to {last}; exchange them")
    if every < 1:
        raise ConfigError(f"--every: {every} days; give 1d or more")
    return [first + timedelta(days=ahead) for ahead in range(0, (last - first).days + 1, every)]


def backfill(
    config: PipelineConfig, days: Sequence[date], progress: RunProgress, push: bool, keep_going: bool
) -> Iterator[BackfilledDay]:
    """Run the pipeline for each of `days` in order, and leave each day's metrics and report in a folder of its own.

    What was finished before comes from the cache, so an interrupted backfill is continued by calling it again. With
    `push` a bundle goes into service unless one of later days is there already; without it each day has its own.

    Args:
        config: of the pipeline; its `data.spans.last` is not looked at.
        days: the last days of the windows, rising.
        progress: is told how each run goes.
        push: see `backfill_config`.
        keep_going: whether the day after one that failed is run.

    Yields:
        What became of each day; the last may have failed.

    Raises:
        ConfigError: the pipeline's log has no days.
    """
    for day in days:
        of_day = backfill_config(config, day, push)
        progress.say(f"day {day}")
        try:
            finished = run(of_day, progress, replacing_later=not push)
        except SeriatimError as error:
            yield BackfilledDay(day, None, False, str(error))
            if not keep_going:
                return
            continue
        assert finished is not None
        _keep(of_day, day, finished)
        cached = all(component.cached for component in finished.metrics.components)
        yield BackfilledDay(day, finished.metrics, cached, "")


def _keep(config: PipelineConfig, day: date, finished: FinishedRun) -> None:
    """Put metrics, configuration and report where the next day's run does not replace them."""
    folder = config.run_folder / DAYS / day.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    finished.metrics.save(folder / METRICS_FILE)
    shutil.copyfile(config.run_folder / CONFIG_FILE, folder / CONFIG_FILE)
    write_report(finished.metrics, folder)
