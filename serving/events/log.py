"""Append events so that none is lost and none counts twice."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from seriatim_errors import ServiceError
from serving.events.files import OPEN_SUFFIX, close_file, event_files, mend, sync_folder, try_lock
from serving.events.reading import read_file
from serving.events.records import Event, Shown, line_of, names_fields

RECENT_EVENTS = 100_000


class EventLogError(ServiceError):
    """Events cannot be written now; nothing of the call was recorded."""


@dataclass(frozen=True)
class Appended:
    """What became of some events."""

    recorded: int
    duplicates: int


class EventLog:
    """Writes the events of one process to files of its own in a folder that many processes may share.

    A file is `<time>-<process>-<number>.jsonl.open` while it is written, and loses `.open` when it is full, old or the
    log is closed. When the log starts it mends what killed processes left; a file that a living process writes is
    locked and left alone. Events that this process, or the newest files, hold already are recognised by their ids; what
    slips through after a restart, or by way of another process, is recognised by whoever reads.

    Args:
        folder: made when absent.
        rotate_bytes, rotate_seconds: a file is closed when it is this long or this old.
        to_disk: whether `append` returns only when the disk has the events, so that they survive the machine too.
        clock: seconds since 1970.

    Raises:
        EventLogError: the folder cannot be written.

    Attributes:
        to_disk: as given.
        torn_bytes: what was cut off files that killed processes left.
    """

    def __init__(
        self,
        folder: Path,
        rotate_bytes: int = 64 << 20,
        rotate_seconds: float = 300.0,
        to_disk: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self.to_disk, self._clock = folder, to_disk, clock
        self._rotate_bytes, self._rotate_seconds = rotate_bytes, rotate_seconds
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._descriptor = -1
        self._path = folder
        self._size, self._synced, self._opened, self._number = 0, 0, 0.0, 0
        self._names: set[str] = set()
        self._recent: OrderedDict[str, None] = OrderedDict()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.torn_bytes = mend(folder)
            self._remember(folder)
        except OSError as error:
            raise self._failed(error) from None

    def append(self, events: Sequence[Event]) -> Appended:
        """Write events, all or none, and return when they are safe; may be called from many threads.

        Raises:
            EventLogError: the disk is full or fails; nothing was recorded, and the log works again when it can.
        """
        with self._writing:
            fresh = [event for event in events if event.event_id not in self._recent]
            fresh = list({event.event_id: event for event in fresh}.values())
            if fresh:
                self._write(fresh)
            descriptor, path, size = self._descriptor, self._path, self._size
        if self.to_disk:
            self._sync(descriptor, path, size)
        return Appended(len(fresh), len(events) - len(fresh))

    def rotate_if_due(self) -> None:
        """Close the present file if it is old; call it now and then, for a log that is quiet.

        Raises:
            EventLogError: the disk fails.
        """
        with self._writing:
            if self._descriptor >= 0 and self._clock() - self._opened >= self._rotate_seconds:
                self._close_file()

    def close(self) -> None:
        """Close the present file; the log can be appended to again.

        Raises:
            EventLogError: the disk fails.
        """
        with self._writing:
            if self._descriptor >= 0:
                self._close_file()

    def _write(self, events: Sequence[Event]) -> None:
        try:
            if self._descriptor >= 0 and (
                self._size >= self._rotate_bytes or self._clock() - self._opened >= self._rotate_seconds
            ):
                self._close_file()
            if self._descriptor < 0:
                self._open_file()
            lines: list[bytes] = []
            names: set[str] = set()
            for event in events:
                if isinstance(event, Shown) and event.names.fingerprint not in self._names | names:
                    lines.append(line_of(names_fields(event.names)))
                    names.add(event.names.fingerprint)
                lines.append(line_of(event.fields()))
            self._write_whole(b"".join(lines))
        except OSError as error:
            raise self._failed(error) from None
        self._names |= names
        for event in events:
            self._recent[event.event_id] = None
        while len(self._recent) > RECENT_EVENTS:
            self._recent.popitem(last=False)

    def _write_whole(self, payload: bytes) -> None:
        written = 0
        try:
            while written < len(payload):
                written += os.write(self._descriptor, payload[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += written

    def _open_file(self) -> None:
        self._opened = self._clock()
        self._number += 1
        stamp = datetime.fromtimestamp(self._opened, timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
        path = self._folder / f"{stamp}-{os.getpid()}-{self._number:06d}{OPEN_SUFFIX}"
        # Locked before it has a name that others look at.
        hidden = path.with_name(f".{path.name}")
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        try_lock(descriptor)
        hidden.rename(path)
        if self.to_disk:
            sync_folder(self._folder)
        self._descriptor, self._path = descriptor, path
        self._size = self._synced = 0
        self._names = set()

    def _close_file(self) -> None:
        # In this order, so that nobody mends a file that is whole.
        with self._syncing:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                os.fsync(descriptor)
                if self._size:
                    close_file(self._path)
                else:
                    self._path.unlink()
            except OSError as error:
                raise self._failed(error) from None
            finally:
                os.close(descriptor)

    def _sync(self, descriptor: int, path: Path, size: int) -> None:
        """Wait until the disk has the first `size` bytes; one call serves all that wait."""
        with self._syncing:
            if self._descriptor != descriptor or self._path != path or self._synced >= size:
                # Closed since, and synced by that; or somebody's call covered ours.
                return
            reached = self._size
            try:
                os.fsync(descriptor)
            except OSError as error:
                raise self._failed(error) from None
            self._synced = reached

    def _remember(self, folder: Path) -> None:
        """The ids of the newest events, as many as are kept."""
        found: list[list[str]] = []
        for path in reversed(event_files(folder)):
            found.append([fields["event_id"] for fields in read_file(path).lines if "event_id" in fields])
            if sum(map(len, found)) >= RECENT_EVENTS:
                break
        for ids in reversed(found):
            for event_id in ids:
                self._recent[event_id] = None

    def _failed(self, error: OSError) -> EventLogError:
        return EventLogError(
            f"event log {self._folder}: {error.strerror or error}; nothing was recorded, "
            "make room or correct the folder"
        )
