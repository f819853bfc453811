"""Whether new data have come, told by names, sizes and times of change, and have stayed as they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sighting:
    """Data as they were found, and since when they have been so (seconds since 1970)."""

    fingerprint: str
    since: float


def fingerprint_of(path: Path) -> str:
    """Fingerprint of the files at and under `path`, 16 hex digits; empty where there are none.

    Files and folders whose names begin with a dot are passed over: that is how unfinished ones are named.
    """
    digest, found = hashlib.sha256(), False
    for file in sorted([path, *path.rglob("*")]):
        name = file.relative_to(path)
        if any(part.startswith(".") for part in name.parts):
            continue
        try:
            status = file.stat()
        except OSError:
            # It went away between being listed and being looked at; the next look will see.
            continue
        if file.is_file():
            found = True
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16] if found else ""


def look(seen: str, before: Sighting | None, found: str, now: float, settle: float) -> tuple[Sighting | None, bool]:
    """What to make of what is there now.

    Args:
        seen: fingerprint of the data that are old news.
        before: the sighting of the last look.
        found: fingerprint of what is there; empty for nothing.
        now: seconds since 1970.
        settle: seconds for which data must have stayed as they are.

    Returns:
        The sighting to keep, and whether it is an arrival: data that are new and have settled.
    """
    if found in ("", seen):
        return None, False
    sighting = before if before is not None and before.fingerprint == found else Sighting(found, now)
    return sighting, now - sighting.since >= settle
