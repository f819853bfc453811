"""Runs in the database: those that wait, the one that runs, and what became of all before."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

from pipelines.scheduling.database import transaction
from pipelines.scheduling.schedule import MissedRuns

State = Literal["waiting", "running", "succeeded", "failed", "died", "stopped", "skipped"]
Trigger = Literal["cron", "every", "data", "hand", "resume"]
LOG_FOLDER = "logs"


@dataclass(frozen=True)
class Run:
    """One run; times are seconds since 1970.

    Attributes:
        id: counted over all schedules.
        schedule: name of its schedule.
        trigger: what asked for it.
        due: when it was due.
        state: how it stands, or what became of it.
        not_before: when it may start; later than `due` while it waits for another attempt.
        started, ended: of the first and the last attempt.
        attempts: begun so far.
        pid, process: of the running child, and what tells it from a later process of the same number.
        exit_code: of the last attempt; below zero for the signal that ended it.
        log: its log file.
        bundle: version of the bundle that it pushed, or found pushed already.
        reason: why it stands so, in words.
    """

    id: int
    schedule: str
    trigger: Trigger
    due: float
    state: State
    not_before: float
    started: float | None
    ended: float | None
    attempts: int
    pid: int | None
    process: str | None
    exit_code: int | None
    log: str | None
    bundle: str | None
    reason: str | None


def ask_for_run(
    home: Path, schedule: str, trigger: Trigger, due: float, missed: MissedRuns = "all", data_seen: str | None = None
) -> Run | None:
    """Let a run wait for its turn.

    Args:
        home: folder of the schedules.
        schedule: its name.
        trigger: what asks.
        due: when it was due; the same trigger never gets two runs for one time.
        missed: `skip`: an unfinished run makes this one a skipped one; `once`: one that waits stands for both.
        data_seen: fingerprint of the data that have come, noted as old news in the same step.

    Returns:
        The run that waits for it, a skipped one, or None where that time has its run already.
    """
    with transaction(home) as connection:
        if data_seen is not None:
            connection.execute(
                "update schedules set data_seen = ?, data_sighted = '', data_since = null where name = ?",
                (data_seen, schedule),
            )
        unfinished = _runs(connection, "schedule = ? and state in ('waiting', 'running')", schedule)
        state, reason = "waiting", None
        if missed == "skip" and unfinished:
            state, reason = "skipped", f"run {unfinished[0].id} had not ended"
        elif missed == "once":
            waiting = [run for run in unfinished if run.state == "waiting"]
            if waiting:
                return waiting[0]
        added = connection.execute(
            "insert or ignore into runs (schedule, trigger, due, state, reason) values (?, ?, ?, ?, ?)",
            (schedule, trigger, due, state, reason),
        )
        return _runs(connection, "id = ?", added.lastrowid)[0] if added.rowcount else None


def note_skipped(home: Path, schedule: str, trigger: Trigger, due: float, reason: str) -> None:
    """Write down that a time passed without a run."""
    with transaction(home) as connection:
        connection.execute(
            "insert or ignore into runs (schedule, trigger, due, state, reason) values (?, ?, ?, 'skipped', ?)",
            (schedule, trigger, due, reason),
        )


def startable(home: Path, now: float) -> list[Run]:
    """Runs that may start: the first of each schedule that has none running; of paused ones those asked for by hand."""
    with transaction(home) as connection:
        waiting = _runs(
            connection,
            "state = 'waiting' and not_before <= ? "
            "and schedule not in (select schedule from runs where state = 'running') "
            "and (trigger = 'hand' or schedule in (select name from schedules where not paused)) order by id",
            now,
        )
    first: dict[str, Run] = {}
    for run in waiting:
        first.setdefault(run.schedule, run)
    return list(first.values())


def runs_in(home: Path, *states: State) -> list[Run]:
    """Runs in any of these states, the oldest first."""
    marks = ", ".join("?" * len(states))
    with transaction(home) as connection:
        return _runs(connection, f"state in ({marks}) order by id", *states)


def history(home: Path, schedule: str | None = None, newest: int = 20) -> list[Run]:
    """The newest runs, newest first, of one schedule or of all."""
    with transaction(home) as connection:
        return _runs(connection, "? is null or schedule = ? order by id desc limit ?", schedule, schedule, newest)


def find_run(home: Path, number: int) -> Run | None:
    """The run of that number; None where there is none."""
    with transaction(home) as connection:
        return next(iter(_runs(connection, "id = ?", number)), None)


def begin_attempt(home: Path, run: Run, now: float) -> Run | None:
    """Mark a waiting run as running; None when it was removed or taken meanwhile."""
    log = Path(LOG_FOLDER) / run.schedule / f"{run.id}.log"
    with transaction(home) as connection:
        taken = connection.execute(
            "update runs set state = 'running', attempts = attempts + 1, started = coalesce(started, ?), log = ?, "
            "pid = null, process = null, exit_code = null, reason = null where id = ? and state = 'waiting'",
            (now, str(log), run.id),
        )
        return _runs(connection, "id = ?", run.id)[0] if taken.rowcount else None


def note_process(home: Path, run: int, pid: int, process: str) -> None:
    """Keep which process works on a run."""
    with transaction(home) as connection:
        connection.execute("update runs set pid = ?, process = ? where id = ?", (pid, process, run))


def wait_again(home: Path, run: Run, not_before: float, exit_code: int, reason: str, counted: bool = True) -> None:
    """Put a run back for another attempt; `counted` says whether the one before was one."""
    with transaction(home) as connection:
        connection.execute(
            "update runs set state = 'waiting', not_before = ?, exit_code = ?, reason = ?, pid = null, process = null, "
            "attempts = attempts - ? where id = ?",
            (not_before, exit_code, reason, 0 if counted else 1, run.id),
        )


def finish_run(
    home: Path, run: int, state: State, now: float, exit_code: int | None, reason: str | None, bundle: str | None = None
) -> None:
    """Write down what became of a run."""
    with transaction(home) as connection:
        connection.execute(
            "update runs set state = ?, ended = ?, exit_code = ?, reason = ?, bundle = ? where id = ?",
            (state, now, exit_code, reason, bundle, run),
        )


def deaths_in_a_row(home: Path, schedule: str) -> int:
    """How many of a schedule's newest ended runs died, one after another."""
    with transaction(home) as connection:
        newest = connection.execute(
            "select state from runs where schedule = ? and state in ('died', 'succeeded', 'failed', 'stopped') "
            "order by id desc",
            (schedule,),
        )
        return sum(1 for _ in takewhile(lambda row: row[0] == "died", newest))


def died_and_resumed(home: Path, run: Run, now: float) -> Run | None:
    """In one step: a running run died, and one that resumes it waits; None when its schedule was removed."""
    with transaction(home) as connection:
        connection.execute(
            "update runs set state = 'died', ended = ?, reason = ? where id = ?",
            (now, "its process was gone when the scheduler started", run.id),
        )
        if not connection.execute("select 1 from schedules where name = ?", (run.schedule,)).fetchone():
            return None
        added = connection.execute(
            "insert into runs (schedule, trigger, due, state, reason) values (?, 'resume', ?, 'waiting', ?)",
            (run.schedule, now, f"resumes run {run.id}"),
        )
        return _runs(connection, "id = ?", added.lastrowid)[0]


def forget_old(home: Path, schedule: str, keep: int) -> Sequence[str]:
    """Forget all but the newest `keep` runs that have ended; returns the log files of the others."""
    with transaction(home) as connection:
        ended = "schedule = ? and state not in ('waiting', 'running')"
        old = _runs(connection, f"{ended} order by id desc limit -1 offset ?", schedule, keep)
        connection.executemany("delete from runs where id = ?", [(run.id,) for run in old])
        return [run.log for run in old if run.log is not None]


def _runs(connection: sqlite3.Connection, condition: str, *values: object) -> list[Run]:
    names = ", ".join(Run.__dataclass_fields__)
    return [Run(*row) for row in connection.execute(f"select {names} from runs where {condition}", values)]
