"""The files of an event log: who writes one holds its lock; what a killed writer left is mended by the next."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from serving.events.records import fields_of

OPEN_SUFFIX, CLOSED_SUFFIX = ".jsonl.open", ".jsonl"
logger = logging.getLogger(__name__)


def event_files(folder: Path) -> list[Path]:
    """All files of the log, oldest first, those being written among them."""
    return sorted(
        path for path in folder.iterdir() if path.name.endswith((OPEN_SUFFIX, CLOSED_SUFFIX)) and path.name[0] != "."
    )


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file; False where a living process holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def close_file(path: Path) -> Path:
    """Give a written file its final name, for good."""
    closed = path.with_name(path.name.removesuffix(OPEN_SUFFIX) + CLOSED_SUFFIX)
    path.rename(closed)
    sync_folder(path.parent)
    return closed


def sync_folder(folder: Path) -> None:
    """Wait until the folder's list of names is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mend(folder: Path) -> int:
    """Close what killed writers left open: the torn end of each file is cut off, all whole lines stay.

    Returns:
        Bytes that were cut off.
    """
    torn = 0
    for path in event_files(folder):
        if not path.name.endswith(OPEN_SUFFIX):
            continue
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            # Closed by its writer since the folder was listed.
            continue
        try:
            if not try_lock(descriptor) or not path.exists():
                continue
            size = os.fstat(descriptor).st_size
            whole = whole_bytes(path)
            if whole < size:
                os.ftruncate(descriptor, whole)
                logger.warning("%s: %d bytes of a record that was never acknowledged are cut off", path, size - whole)
                torn += size - whole
            os.fsync(descriptor)
            if whole:
                close_file(path)
            else:
                path.unlink()
        finally:
            os.close(descriptor)
    return torn


def whole_bytes(path: Path) -> int:
    """Length of a file up to the end of its last whole line."""
    whole = place = 0
    with path.open("rb") as stream:
        for line in stream:
            place += len(line)
            if line.endswith(b"\n") and fields_of(line[:-1]) is not None:
                whole = place
    return whole
