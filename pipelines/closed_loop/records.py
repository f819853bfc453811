"""What a week remembers of its days and nights, a file each: a week that is begun again goes on behind the last one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.closed_loop.day import Served
from pipelines.closed_loop.night import NightResult


@dataclass(frozen=True)
class DayRecord:
    """A day of an arm.

    Attributes:
        stable: bundle of most requests when the day ended.
        canary: bundle that was tried in the first part; empty for none.
        promoted: whether it became the stable one.
        decision: why, in a sentence; empty without a canary.
        events: names of all files of the event log so far, by day; the last entry is this day's.
    """

    stable: str
    canary: str
    promoted: bool
    decision: str
    events: tuple[tuple[str, ...], ...]


class ArmRecords:
    """The files of one arm in `folder`; a day or a night is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def day(self, number: int) -> tuple[DayRecord, Served] | None:
        """What was kept of a day; None where it is not finished."""
        known = _read(self._path("day", number))
        if known is None:
            return None
        known["events"] = tuple(tuple(names) for names in known["events"])
        return DayRecord(**known), Served.load(self._path("day", number).with_suffix(".npz"))

    def keep_day(self, number: int, record: DayRecord, served: Served) -> None:
        """Keep a finished day."""
        served.save(self._path("day", number).with_suffix(".npz"))
        write_values(self._path("day", number), asdict(record))

    def night(self, number: int) -> NightResult | None:
        """What was kept of the night after a day; None where it is not finished."""
        known = _read(self._path("night", number))
        return None if known is None else NightResult(**known)

    def keep_night(self, number: int, result: NightResult) -> None:
        """Keep a finished night."""
        write_values(self._path("night", number), asdict(result))

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}-{number:02d}.json"


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_values(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file in one step: it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(values, indent=1), encoding="utf-8")
    partial.rename(path)
