"""What a run left: the bundle it is known by, or the line that says why it failed."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.config import PipelineConfig, load_config
from pipelines.report.metrics_file import METRICS_FILE
from pipelines.scheduling.schedule import Schedule
from seriatim_errors import ConfigError

LAST_BYTES = 20_000


def config_of(schedule: Schedule) -> PipelineConfig:
    """The schedule's pipeline as its file says now, with folders that hold from everywhere.

    Raises:
        ConfigError: the configuration is wrong.
    """
    config = load_config(schedule.folder / schedule.config, schedule.overrides)
    roots = {
        "run_root": schedule.folder / config.run_root,
        "bundle_root": config.bundle_root.seen_from(schedule.folder),
    }
    return config.model_copy(update=roots)


def bundle_of(schedule: Schedule) -> str | None:
    """Version of the bundle of the pipeline's last run; None when it was not blessed or is not known."""
    try:
        metrics = json.loads((config_of(schedule).run_folder / METRICS_FILE).read_bytes())
        return metrics["run"]["bundle_version"]
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None


def error_in(log: Path) -> str:
    """The last error that a log tells of, in one line; its last line where it tells of none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LAST_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "no log"
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    written = [line.strip() for line in lines if line.strip()]
    return (told or written or ["it printed nothing"])[-1]
