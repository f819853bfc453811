"""The schedules as APScheduler's jobs: the database is its job store, a due time becomes a run that waits."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore, JobLookupError

from pipelines.scheduling.arrival import fingerprint_of, look
from pipelines.scheduling.history import ask_for_run, note_skipped
from pipelines.scheduling.schedule_store import (
    StoredSchedule,
    all_schedules,
    find_schedule,
    remove_schedule,
    set_next_run,
    set_sighting,
)
from pipelines.scheduling.triggers import trigger_of
from seriatim_errors import ConfigError

# A time that passed longer ago than this was missed; less is how late a busy machine may be.
GRACE_SECONDS = 60.0


class ScheduleJobStore(BaseJobStore):
    """Reads jobs from the schedules and keeps their next times; schedules are added and changed elsewhere."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home

    def lookup_job(self, job_id: str) -> Job | None:
        """The job of a schedule; None when it was removed."""
        stored = find_schedule(self._home, job_id)
        return None if stored is None else self._job(stored)

    def get_due_jobs(self, now: datetime) -> list[Job]:
        """Jobs whose time has come, the earliest first."""
        return [job for job in self.get_all_jobs() if job.next_run_time is not None and job.next_run_time <= now]

    def get_next_run_time(self) -> datetime | None:
        """The earliest time of all; None when nothing is scheduled."""
        return min((job.next_run_time for job in self.get_all_jobs() if job.next_run_time is not None), default=None)

    def get_all_jobs(self) -> list[Job]:
        """All jobs by their next time, paused ones last."""
        jobs = [self._job(stored) for stored in all_schedules(self._home)]
        return sorted(jobs, key=_order)

    def add_job(self, job: Job) -> None:
        """Refuse: a schedule says more than a job.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"job {job.id!r} is no schedule; add it with 'seriatim schedule add'")

    def update_job(self, job: Job) -> None:
        """Keep the job's next time."""
        set_next_run(self._home, job.id, job.next_run_time.timestamp())

    def remove_job(self, job_id: str) -> None:
        """Remove the schedule behind a job."""
        if find_schedule(self._home, job_id) is None:
            raise JobLookupError(job_id)
        remove_schedule(self._home, job_id)

    def remove_all_jobs(self) -> None:
        """Remove all schedules."""
        for stored in all_schedules(self._home):
            remove_schedule(self._home, stored.schedule.name)

    def _job(self, stored: StoredSchedule) -> Job:
        schedule = stored.schedule
        job = Job.__new__(Job)
        job.__setstate__(
            {
                "id": schedule.name,
                "name": schedule.name,
                "func": f"{__name__}:{when_due.__name__}",
                "trigger": trigger_of(schedule),
                "executor": "default",
                "args": (str(self._home), schedule.name),
                "kwargs": {},
                # Whether a time was missed is decided in `when_due`, which writes it down.
                "misfire_grace_time": None,
                "coalesce": schedule.missed != "all" or schedule.on_data is not None,
                "max_instances": 1,
                "next_run_time": _moment(stored.next_run),
            }
        )
        job._scheduler, job._jobstore_alias = self._scheduler, self._alias
        return job


class DueTimeExecutor(BaseExecutor):
    """Calls a job at once, in the scheduler's own thread, with every time at which it was due."""

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        for moment in run_times:
            job.func(*job.args, due=moment.timestamp())
        self._run_job_success(job.id, [])


def when_due(home: str, name: str, *, due: float) -> None:
    """Let a run of the schedule wait for its turn, or note that its time was missed; for data, look for them.

    Args:
        home: folder of the schedules.
        name: of the schedule.
        due: when it was due, seconds since 1970.
    """
    stored, now = find_schedule(Path(home), name), time.time()
    if stored is None:
        return
    schedule = stored.schedule
    if schedule.on_data is not None:
        _look_for_data(Path(home), stored, schedule.on_data, now)
    elif schedule.missed == "skip" and now - due > GRACE_SECONDS:
        note_skipped(Path(home), name, schedule.kind, due, "no scheduler ran at that time")
    else:
        ask_for_run(Path(home), name, schedule.kind, due, schedule.missed)


def _look_for_data(home: Path, stored: StoredSchedule, path: Path, now: float) -> None:
    schedule = stored.schedule
    found = fingerprint_of(path)
    sighting, arrived = look(stored.data_seen, stored.sighting, found, now, schedule.settle)
    if arrived:
        ask_for_run(home, schedule.name, "data", now, "once", data_seen=found)
    elif sighting != stored.sighting:
        set_sighting(home, schedule.name, sighting)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


def _order(job: Job) -> tuple[bool, float]:
    return (job.next_run_time is None, 0.0 if job.next_run_time is None else job.next_run_time.timestamp())
