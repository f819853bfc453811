"""What is kept of a schedule: which pipeline, when, what of failures, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from seriatim_config import Section

MissedRuns = Literal["skip", "once", "all"]


class Schedule(Section):
    """One pipeline's schedule; times are seconds since 1970 in UTC, durations seconds."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_\-]*$", description="Names the schedule.")
    config: Path = Field(description="Configuration of the pipeline, read anew at every run.")
    folder: Path = Field(description="Folder that runs start in: relative paths of the configuration begin there.")
    overrides: dict[str, Any] = Field({}, description="Dotted keys to values, laid over the configuration.")
    cron: str | None = Field(None, description="Five fields of cron: minute, hour, day, month, day of week.")
    timezone: str = Field("UTC", description="Time zone of `cron`.")
    every: float | None = Field(None, ge=1, description="Seconds between runs, counted from `created`.")
    on_data: Path | None = Field(None, description="File or folder whose new or changed files start a run.")
    settle: float = Field(60, ge=0, description="Seconds for which data must have stayed as they are.")
    missed: MissedRuns = Field("once", description="What becomes of times that passed while no run could start.")
    retries: int = Field(3, ge=0, description="Attempts after a failed first one.")
    backoff: float = Field(60, ge=0, description="Seconds before the second attempt, doubled for each one after.")
    keep_runs: int | None = Field(None, ge=1, description="Newest finished runs that are kept; null: all.")
    keep_bundles: int | None = Field(None, ge=1, description="Newest bundles that are kept; null: all.")
    webhook: str | None = Field(None, pattern="^https?://", description="Address that failures are posted to.")
    command: str | None = Field(None, min_length=1, description="Command that is run on failure, without a shell.")
    created: float = Field(description="When the schedule was added.")

    @model_validator(mode="after")
    def _one_trigger(self) -> Schedule:
        given = [name for name in ("cron", "every", "on_data") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of cron, every and on_data")
        return self

    @property
    def kind(self) -> Literal["cron", "every", "data"]:
        """What starts its runs: `cron`, `every` or `data`."""
        return "cron" if self.cron is not None else "every" if self.every is not None else "data"
