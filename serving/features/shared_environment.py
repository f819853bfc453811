"""LMDB files open for reading: a process opens each once, however many stores read it."""

from __future__ import annotations

import threading
from pathlib import Path

import lmdb

from seriatim_errors import BundleError

RESTORE = "restore the bundle or use another version"

_lock = threading.Lock()
_opened: dict[tuple[int, int], tuple[lmdb.Environment, int]] = {}


class SharedEnvironment:
    """One LMDB file, read-only, without a lock file: for files that nobody writes any more.

    LMDB refuses to open a file twice in a process, and two versions of the service's models may carry the same one.
    Each process opens its own: an environment does not survive a fork.

    Raises:
        BundleError: the file is missing, cannot be read, is no LMDB file or is cut short.
    """

    def __init__(self, path: Path) -> None:
        try:
            status = path.stat()
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}; {RESTORE}") from None
        self._identity = (status.st_dev, status.st_ino)
        with _lock:
            environment, users = _opened.get(self._identity) or (_open(path, status.st_size), 0)
            _opened[self._identity] = (environment, users + 1)
        self.environment = environment

    def close(self) -> None:
        """Give the file back; the last to do so closes it. A second call does nothing."""
        with _lock:
            identity, self._identity = self._identity, (-1, -1)
            if identity not in _opened:
                return
            environment, users = _opened.pop(identity)
            if users > 1:
                _opened[identity] = (environment, users - 1)
            else:
                environment.close()


def _open(path: Path, size: int) -> lmdb.Environment:
    try:
        # Items of a request lie anywhere: what the kernel would read ahead is not what comes next.
        environment = lmdb.open(
            str(path), subdir=False, readonly=True, lock=False, create=False, readahead=False, max_dbs=0
        )
    except lmdb.Error as error:
        raise BundleError(f"{path} is no sound LMDB file: {error}; {RESTORE}") from None
    # Reading behind the end of a mapped file would kill the process.
    expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < expected:
        environment.close()
        raise BundleError(f"{path} is cut short: {size} bytes of {expected}; {RESTORE}")
    return environment
