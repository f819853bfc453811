"""Schedules in the database: add, look at, pause, resume, remove."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pipelines.scheduling.arrival import Sighting, fingerprint_of
from pipelines.scheduling.database import make_home, transaction
from pipelines.scheduling.schedule import Schedule
from pipelines.scheduling.triggers import next_time
from seriatim_errors import ConfigError


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule as it stands now.

    Attributes:
        schedule: its settings.
        paused: whether new runs are held back.
        next_run: when it is due next, seconds since 1970; None while paused.
        data_seen: fingerprint of the data that started the last run, or were there when it was added.
        sighting: data that differ from those, since when; None where there are none.
    """

    schedule: Schedule
    paused: bool
    next_run: float | None
    data_seen: str
    sighting: Sighting | None


def add_schedule(home: Path, schedule: Schedule) -> StoredSchedule:
    """Keep a new schedule; data that are there already start no run.

    Raises:
        ConfigError: there is one of that name, or its times are none.
        PipelineError: the folder cannot be made.
    """
    due = next_time(schedule, schedule.created)
    seen = "" if schedule.on_data is None else fingerprint_of(schedule.on_data)
    make_home(home)
    with transaction(home) as connection:
        if _row(connection, schedule.name) is not None:
            raise ConfigError(f"schedule {schedule.name!r} exists already; remove it first or use another name")
        connection.execute(
            "insert into schedules (name, settings, next_run, data_seen) values (?, ?, ?, ?)",
            (schedule.name, schedule.model_dump_json(), due, seen),
        )
    return StoredSchedule(schedule, False, due, seen, None)


def all_schedules(home: Path) -> list[StoredSchedule]:
    """All schedules, by name."""
    with transaction(home) as connection:
        return [_stored(row) for row in connection.execute("select * from schedules order by name")]


def find_schedule(home: Path, name: str) -> StoredSchedule | None:
    """The schedule of that name; None when there is none (any more)."""
    with transaction(home) as connection:
        row = _row(connection, name)
        return None if row is None else _stored(row)


def the_schedule(home: Path, name: str) -> StoredSchedule:
    """The schedule of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    found = find_schedule(home, name)
    if found is None:
        known = ", ".join(one.schedule.name for one in all_schedules(home)) or "none"
        raise ConfigError(f"no schedule {name!r} under {home}; there are: {known}")
    return found


def pause_schedule(home: Path, name: str) -> None:
    """Hold back new runs; one that runs goes on, and what is due meanwhile is not made up for."""
    the_schedule(home, name)
    with transaction(home) as connection:
        connection.execute("update schedules set paused = 1, next_run = null where name = ?", (name,))


def resume_schedule(home: Path, name: str, now: float) -> StoredSchedule:
    """Let runs start again, from the next time after `now` on."""
    stored = the_schedule(home, name)
    due = next_time(stored.schedule, now)
    with transaction(home) as connection:
        connection.execute("update schedules set paused = 0, next_run = ? where name = ? and paused", (due, name))
    return the_schedule(home, name)


def remove_schedule(home: Path, name: str) -> None:
    """Forget a schedule and the runs that wait; one that runs goes on, and history and logs stay."""
    the_schedule(home, name)
    with transaction(home) as connection:
        connection.execute("delete from schedules where name = ?", (name,))
        connection.execute("delete from runs where schedule = ? and state = 'waiting'", (name,))


def set_next_run(home: Path, name: str, due: float) -> None:
    """Keep when a schedule is due next; nothing happens to one that was paused or removed meanwhile."""
    with transaction(home) as connection:
        connection.execute("update schedules set next_run = ? where name = ? and not paused", (due, name))


def set_sighting(home: Path, name: str, sighting: Sighting | None) -> None:
    """Keep which data were last seen, and since when."""
    values = ("", None) if sighting is None else (sighting.fingerprint, sighting.since)
    with transaction(home) as connection:
        connection.execute("update schedules set data_sighted = ?, data_since = ? where name = ?", (*values, name))


def _row(connection: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    return connection.execute("select * from schedules where name = ?", (name,)).fetchone()


def _stored(row: sqlite3.Row) -> StoredSchedule:
    sighting = None if row["data_since"] is None else Sighting(row["data_sighted"], row["data_since"])
    schedule = Schedule.model_validate_json(row["settings"])
    return StoredSchedule(schedule, bool(row["paused"]), row["next_run"], row["data_seen"], sighting)
