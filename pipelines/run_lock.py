"""One run at a time in a run folder, whoever started it: a lock that dies with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from seriatim_errors import PipelineError

LOCK_FILE = ".lock"


class FolderBusyError(PipelineError):
    """Another process works in the folder; the exit status is that of a failure that passes (EX_TEMPFAIL)."""

    exit_code = 75


@contextlib.contextmanager
def only_process_in(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder's lock within the block.

    The lock is of the kind that forked processes do not inherit and that the kernel drops with its process, so
    nothing is left to clear after a kill.

    Args:
        folder: made when absent.
        what: what the folder is, for the message.

    Raises:
        FolderBusyError: another process holds it; the message names that process.
        PipelineError: the lock's file cannot be written.
    """
    path = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Opened to append: truncating would wipe out the holder's number before the lock is had.
        stream = path.open("a+", encoding="ascii")
    except OSError as error:
        raise PipelineError(f"{what} {folder} cannot be written: {error.strerror}; name another folder") from None
    with stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise FolderBusyError(
                f"{what} {folder} is in use by process {holder}; wait until it has ended, or end it"
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
