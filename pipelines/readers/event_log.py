"""The service's event log as a click log: slates joined with what users did with their items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.readers.event_rows import rows_of_slates
from pipelines.readers.read_logs import DISCARDED_SCHEMA, ReadLog, read_from
from seriatim_errors import DataError
from serving.events import ReadEvents, read_events

UNSHOWN, TWICE = "a click on what no slate of its request shows", "an event that was there already"
ANOTHER = "a slate of a request that has one"
EARLY, LATE = "a click before its slate", "a click after data.click_window"
Event = dict[str, Any]


@dataclass(frozen=True)
class EventJoin:
    """How events become clicks.

    Attributes:
        click_action: the action that counts as a click.
        window_seconds: a click counts from the moment the slate was shown until this long after.
        late: folders of which only the clicks are read.
        between: only slates from the first of these times on and before the second, microseconds since 1970; None: all.
        windowed: whether these are some days of a longer log: then events of other days' slates are not told of.
    """

    click_action: str = "click"
    window_seconds: float = 3600.0
    late: tuple[Path, ...] = ()
    between: tuple[int, int] | None = None
    windowed: bool = False

    def holds(self, time: int | None) -> bool:
        """Whether a time (None: unknown) is in the window, if there is one of times."""
        return self.between is None or (time is not None and self.between[0] <= time < self.between[1])


def read_event_logs(folders: Sequence[Path], join: EventJoin) -> list[ReadLog]:
    """One row an item shown, exactly one for each request and item, however often its events were sent.

    Folders are parts of one log: the first slate of a request stands, and a click belongs to its slate whichever of
    them it lies in. Events that were there already, clicks outside of the window and clicks on what no slate shows are
    discarded with a reason. Lines that are not whole are malformed lines, in a window of times those beside its events.

    Raises:
        DataError: the folders hold no slates (of the times asked for), or one cannot be read.
    """
    read = {folder: read_events(folder) for folder in (*folders, *join.late)}
    standing = standing_slates([read[folder] for folder in folders])
    frames = []
    for folder in folders:
        own = [one for one in read[folder].shown if standing[one["request_id"]] is one and join.holds(one["time"])]
        frames.append(rows_of_slates(own, read[folder].names) if own else None)
    whole = [frame for frame in frames if frame is not None]
    if not whole:
        place = ", ".join(map(str, folders))
        raise DataError(f"{place} holds no slates; give the folder that the service's events.folder names")
    places = pd.concat([frame[["request_id", "item_id", "timestamp"]] for frame in whole], ignore_index=True)
    clicked, discarded = _clicked(places, list(_told_of(read, folders, standing, places, join)), join)
    absent = [name for name, empty in (("user_id", _no_user), ("propensity", _no_propensity)) if all(map(empty, whole))]
    logs, start = [], 0
    for number, (folder, frame) in enumerate(zip(folders, frames, strict=True)):
        rows = whole[0].iloc[:0] if frame is None else frame
        rows = rows.assign(clicked=clicked[start : start + len(rows)]).drop(columns=absent)
        start += len(rows)
        broken = [
            (line.number, line.content.decode(errors="replace").rstrip("\n"))
            for line in read[folder].broken
            if join.holds(line.near)
        ]
        log = read_from(folder, pa.Table.from_pandas(rows, preserve_index=False), broken)
        logs.append(replace(log, discarded=pa.Table.from_pylist(discarded if number == 0 else [], DISCARDED_SCHEMA)))
    return logs


def standing_slates(parts: Sequence[ReadEvents]) -> dict[str, Event]:
    """The slate of every request: the first that was logged, in the order of the parts."""
    first: dict[str, Event] = {}
    for events in parts:
        for shown in events.shown:
            first.setdefault(shown["request_id"], shown)
    return first


def _told_of(
    read: dict[Path, ReadEvents],
    folders: Sequence[Path],
    standing: dict[str, Event],
    places: pd.DataFrame,
    join: EventJoin,
) -> Iterator[tuple[Path, Event, str]]:
    """Clicks, and with a reason what is no click and no slate that stands; of some days of a log what is theirs.

    Of a window of times it is known which clicks no slate has, so that those of its times are told of; where days are
    folders, the slate may lie in one that is not read.
    """
    requests, seen = set(places["request_id"]), set()

    def theirs(event: Event) -> bool:
        if not join.windowed or event["request_id"] in requests:
            return True
        return join.between is not None and event["request_id"] not in standing and join.holds(event["time"])

    for folder, events in read.items():
        for acted in events.acted:
            if acted["action"] == join.click_action and theirs(acted):
                yield folder, acted, TWICE if acted["event_id"] in seen else ""
                seen.add(acted["event_id"])
    for folder in folders:
        yield from ((folder, event, TWICE) for event in read[folder].repeated if theirs(event))
        others = (one for one in read[folder].shown if standing[one["request_id"]] is not one)
        yield from ((folder, event, ANOTHER) for event in others if theirs(event))


def _clicked(
    places: pd.DataFrame, told: Sequence[tuple[Path, Event, str]], join: EventJoin
) -> tuple[NDArray[np.int8], list[Event]]:
    """0 or 1 a row of `places`, and the events that are no click and no slate, with their reasons."""
    clicks = [(folder, event) for folder, event, why in told if not why]
    acted = pd.DataFrame(
        {
            "click": np.arange(len(clicks)),
            "request_id": [event["request_id"] for _, event in clicks],
            "item_id": [event["item_id"] for _, event in clicks],
            "acted_at": np.array([event["time"] for _, event in clicks], np.int64),
        }
    )
    joined = acted.merge(places.assign(row=np.arange(len(places))), how="left", on=["request_id", "item_id"])
    orphan = joined["row"].isna().to_numpy()
    late = np.full(len(joined), np.nan)
    late[~orphan] = joined["acted_at"][~orphan] - joined["timestamp"][~orphan].to_numpy("datetime64[us]").view(np.int64)
    reason = np.select([orphan, late < 0, late > 1e6 * join.window_seconds], [UNSHOWN, EARLY, LATE], "")
    clicked = np.zeros(len(places), np.int8)
    clicked[joined.loc[reason == "", "row"].to_numpy(np.int64)] = 1
    refused = joined.assign(reason=reason)[reason != ""].drop_duplicates("click")
    why_not = zip(refused["click"].tolist(), refused["reason"].tolist(), strict=True)
    reasons = [(*clicks[number], why) for number, why in why_not] + [one for one in told if one[2]]
    return clicked, [_discarded(folder, event, why) for folder, event, why in reasons]


def _discarded(folder: Path, event: Event, reason: str) -> Event:
    own = {name: event.get(name) for name in ("event_id", "time", "request_id", "item_id")}
    return {"file": str(folder), **own, "reason": reason}


def _no_user(frame: pd.DataFrame) -> bool:
    return bool((frame["user_id"] == "").all())


def _no_propensity(frame: pd.DataFrame) -> bool:
    return bool(frame["propensity"].isna().all())
