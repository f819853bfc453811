"""The days of an event log that is one folder."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.readers.event_log import standing_slates
from pipelines.readers.spans import day_at
from serving.events import read_events


class EventDays:
    """The days in UTC on which slates of an event log were shown first.

    Args:
        folder: of the log.
        click_action: the action that counts as a click.

    Attributes:
        days: all of them.

    Raises:
        DataError: the folder cannot be read.
    """

    def __init__(self, folder: Path, click_action: str) -> None:
        events = read_events(folder)
        self._names = events.names
        standing = standing_slates([events])
        self.days = {day_at(shown["time"]) for shown in standing.values()}
        self._of_day: dict[date, list[Any]] = {}
        clicks = [one for one in events.acted if one["action"] == click_action]
        for event in (*events.shown, *clicks, *events.repeated):
            # What no slate has belongs to the day on which it happened.
            time = standing.get(event["request_id"], event)["time"]
            self._of_day.setdefault(day_at(time), []).append(event)
        for line in events.broken:
            if line.near is not None:
                self._of_day.setdefault(day_at(line.near), []).append(line.content.decode(errors="replace"))

    def fingerprint(self, first: date, last: date) -> str:
        """Of all that is read of some days: it stays while the folder grows by others."""
        digest = hashlib.sha256()
        for day in sorted(day for day in self._of_day if first <= day <= last):
            for event in self._of_day[day]:
                names = self._names.get(event.get("names", "")) if isinstance(event, dict) else None
                digest.update(json.dumps([event, names], sort_keys=True, default=str).encode())
        return digest.hexdigest()
