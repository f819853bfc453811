"""The file that keeps schedules and their runs: SQLite, shared by the scheduler and by the commands."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from seriatim_errors import PipelineError

DATABASE_FILE = "schedules.sqlite"
LAYOUT = 1
# How long a writer waits for another one.
PATIENCE_SECONDS = 30

TABLES = """
create table if not exists schedules (
    name text primary key,
    settings text not null,
    paused integer not null default 0,
    next_run real,
    data_seen text not null default '',
    data_sighted text not null default '',
    data_since real
);
create table if not exists runs (
    id integer primary key autoincrement,
    schedule text not null,
    trigger text not null,
    due real not null,
    state text not null,
    not_before real not null default 0,
    started real,
    ended real,
    attempts integer not null default 0,
    pid integer,
    process text,
    exit_code integer,
    log text,
    bundle text,
    reason text,
    unique (schedule, trigger, due)
);
create index if not exists runs_by_state on runs (state, schedule);
"""


def make_home(home: Path) -> None:
    """Make the folder of the schedules where it is absent.

    Raises:
        PipelineError: it cannot be made.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PipelineError(f"{home} cannot hold schedules: {error.strerror}; name another --home") from None


@contextlib.contextmanager
def transaction(home: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose changes all become visible together at the block's end, or not at all.

    Args:
        home: folder of the schedules, which `make_home` has made.

    Raises:
        PipelineError: the folder is absent, or the file cannot be opened, or is of another release's layout.
    """
    path = home / DATABASE_FILE
    if not home.is_dir():
        raise PipelineError(f"there are no schedules under {home}; add one with 'seriatim schedule add' or name --home")
    try:
        connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise PipelineError(f"schedules {path} cannot be opened: {error}; name another --home") from None
    with contextlib.closing(connection):
        connection.row_factory = sqlite3.Row
        try:
            _prepare(connection, path)
            connection.execute("begin immediate")
        except sqlite3.Error as error:
            raise PipelineError(f"schedules {path} cannot be read: {error}; restore the file or remove it") from None
        try:
            yield connection
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")


class ChangeWatch:
    """Tells whether another connection has changed the file since it was last asked."""

    def __init__(self, home: Path) -> None:
        with transaction(home):
            self._connection = sqlite3.connect(home / DATABASE_FILE, timeout=PATIENCE_SECONDS)
        self._version = self._read()

    def changed(self) -> bool:
        """Whether anything was committed since the last call."""
        before, self._version = self._version, self._read()
        return self._version != before

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _read(self) -> int:
        return int(self._connection.execute("pragma data_version").fetchone()[0])


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    [layout] = connection.execute("pragma user_version").fetchone()
    if layout == LAYOUT:
        return
    if layout:
        raise PipelineError(f"schedules {path} have layout {layout}, this release reads {LAYOUT}; name another --home")
    connection.execute("pragma journal_mode = wal")
    connection.executescript(f"begin immediate; {TABLES} pragma user_version = {LAYOUT}; commit;")
