"""The most memory a piece of work held, from Linux's own count of resident pages; imports the standard library only."""

from __future__ import annotations

import ctypes
from pathlib import Path


class PeakMemory:
    """Most resident memory of this process since this was made, above what was in use then."""

    def __init__(self) -> None:
        # What allocators keep for later is given back first: it would count as in use.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._at_rest = _mebibytes("VmRSS")

    def mebibytes(self) -> float:
        """MiB above rest."""
        return _mebibytes("VmHWM") - self._at_rest


def _mebibytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
