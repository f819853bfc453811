"""The service's event log as a click log: slates joined with what users did with their items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.click_log import CONTEXT_PREFIX
from pipelines.readers.read_logs import DISCARDED_SCHEMA, ReadLog, read_from
from pipelines.readers.spans import day_at
from seriatim_errors import DataError
from serving.events import FeatureNames, ReadEvents, read_events
from serving.events.records import unpacked

SAMPLED = ("temperature", "epsilon")
UNSHOWN, TWICE = "a click on what no slate of its request shows", "an event that was there already"
ANOTHER = "a slate of a request that has one"
EARLY, LATE = "a click before its slate", "a click after data.click_window"


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


def read_event_logs(folders: Sequence[Path], join: EventJoin) -> list[ReadLog]:
    """One row an item shown, exactly one for each request and item, however often its events were sent.

    Folders are parts of one log: the first slate of a request stands, and a click belongs to its slate whichever of
    them it lies in. A row's propensity is the logged probability of its place where the slate was sampled, and 1 where
    the policy was deterministic; slates that callers logged themselves keep what they said. Events that were there
    already, clicks outside of the window and clicks on what no slate shows are discarded with a reason. Lines that are
    not whole are malformed lines.

    Raises:
        DataError: the folders hold no slates (of the times asked for), or one cannot be read.
    """
    read = {folder: read_events(folder) for folder in (*folders, *join.late)}
    seen: set[str] = set()
    place = ", ".join(map(str, folders))
    found = (_impressions(read[folder], seen, join.between) for folder in folders)
    parts = [frame.assign(part=number) for number, frame in enumerate(found) if frame is not None]
    if not parts:
        raise DataError(f"{place} holds no slates; give the folder that the service's events.folder names")
    frame = pd.concat(parts, ignore_index=True)
    clicks = [
        {"folder": str(folder), **acted}
        for folder, events in read.items()
        for acted in events.acted
        if acted["action"] == join.click_action
    ]
    frame["clicked"], discarded = _clicked(frame, clicks, join)
    wanted = set(frame["request_id"]) if join.windowed else None
    standing: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for event, why in _said_again(read[folder], standing):
            if wanted is None or event["request_id"] in wanted:
                discarded.append(_discarded(str(folder), event, why))
    absent = {"user_id": frame["user_id"] == "", "propensity": frame["propensity"].isna()}
    frame = frame.drop(columns=["shown_at", *(name for name, rows in absent.items() if rows.all())])
    logs = []
    for number, folder in enumerate(folders):
        rows = frame[frame["part"] == number].drop(columns="part")
        broken = [(line, text.decode(errors="replace").rstrip("\n")) for _, line, text in read[folder].broken]
        log = read_from(folder, pa.Table.from_pandas(rows, preserve_index=False), broken)
        logs.append(replace(log, discarded=pa.Table.from_pylist(discarded if number == 0 else [], DISCARDED_SCHEMA)))
    return logs


def days_of_slates(folder: Path, click_action: str) -> dict[date, str]:
    """The days in UTC on which slates of an event log were shown first, each with a fingerprint of what is read of it.

    The fingerprint is of the day's slates and the clicks on them: it stays while the folder grows by other days.

    Raises:
        DataError: the folder cannot be read.
    """
    events = read_events(folder)
    first = _first_slates(events)
    clicks = [one for one in events.acted if one["action"] == click_action and one["request_id"] in first]
    broken = json.dumps([line.decode(errors="replace") for _, _, line in events.broken])
    digests: dict[date, Any] = {}
    for event in (*first.values(), *clicks):
        shown = first[event["request_id"]]
        digest = digests.setdefault(day_at(shown["time"]), hashlib.sha256(broken.encode()))
        part = [event, events.names[shown["names"]]]
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return {day: digest.hexdigest() for day, digest in digests.items()}


def _impressions(events: ReadEvents, seen: set[str], between: tuple[int, int] | None) -> pd.DataFrame | None:
    """A row an item shown, None without any; the first slate of a request stands, `seen` ones have theirs already."""
    first = [shown for request, shown in _first_slates(events).items() if request not in seen]
    seen.update(shown["request_id"] for shown in first)
    if between is not None:
        first = [shown for shown in first if between[0] <= shown["time"] < between[1]]
    by_names: dict[str, list[dict[str, Any]]] = {}
    for shown in first:
        by_names.setdefault(shown["names"], []).append(shown)
    frames = [_frame(slates, events.names[names]) for names, slates in by_names.items()]
    return pd.concat(frames, ignore_index=True) if frames else None


def _first_slates(events: ReadEvents) -> dict[str, dict[str, Any]]:
    """The first slate of every request."""
    first: dict[str, dict[str, Any]] = {}
    for shown in events.shown:
        first.setdefault(shown["request_id"], shown)
    return first


def _frame(slates: list[dict[str, Any]], names: FeatureNames) -> pd.DataFrame:
    counts = [len(slate["item_ids"]) for slate in slates]
    frame = pd.DataFrame(
        {
            "request_id": np.repeat([slate["request_id"] for slate in slates], counts),
            "shown_at": np.repeat(np.array([slate["time"] for slate in slates], np.int64), counts),
            "item_id": [item for slate in slates for item in slate["item_ids"]],
            "position": [place for slate in slates for place in slate["positions"]],
            "propensity": [value for slate in slates for value in _propensities(slate)],
            "user_id": np.repeat([slate["user_id"] for slate in slates], counts),
        }
    )
    frame.insert(1, "timestamp", frame["shown_at"].to_numpy().view("datetime64[us]"))
    context = np.concatenate([unpacked(slate["context"], max(1, len(names.context))) for slate in slates])
    columns = {_context_name(name): np.repeat(context[:, place], counts) for place, name in enumerate(names.context)}
    if names.item:
        features = np.concatenate([unpacked(slate["features"], len(names.item)) for slate in slates])
        columns |= {name: features[:, place] for place, name in enumerate(names.item)}
    return pd.concat([frame, pd.DataFrame(columns)], axis=1)


def _propensities(slate: dict[str, Any]) -> list[float | None]:
    if not slate["policy"]:
        return slate["propensities"]
    sampled = slate["policy"] in SAMPLED
    return [value if sampled and value is not None else 1.0 for value in slate["propensities"]]


def _context_name(name: str) -> str:
    return name if name.startswith(CONTEXT_PREFIX) else f"{CONTEXT_PREFIX}{name}"


def _clicked(
    frame: pd.DataFrame, clicks: Sequence[dict[str, Any]], join: EventJoin
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """0 or 1 a row of `frame`, and the clicks that are none."""
    acted = pd.DataFrame(
        {
            "click": np.arange(len(clicks)),
            "request_id": [click["request_id"] for click in clicks],
            "item_id": [click["item_id"] for click in clicks],
            "acted_at": np.array([click["time"] for click in clicks], np.int64),
        }
    )
    places = frame[["request_id", "item_id", "shown_at"]].assign(row=np.arange(len(frame)))
    joined = acted.merge(places, how="left", on=["request_id", "item_id"])
    if join.windowed:
        joined = joined[joined["request_id"].isin(frame["request_id"].unique())]
    orphan = joined["row"].isna().to_numpy()
    late = (joined["acted_at"] - joined["shown_at"]).to_numpy(np.float64)
    reason = np.select([orphan, late < 0, late > 1e6 * join.window_seconds], [UNSHOWN, EARLY, LATE], "")
    clicked = np.zeros(len(frame), np.int8)
    clicked[joined.loc[reason == "", "row"].to_numpy(np.int64)] = 1
    refused = joined.assign(reason=reason)[reason != ""].drop_duplicates("click")
    told = zip(refused["click"].tolist(), refused["reason"].tolist(), strict=True)
    return clicked, [_discarded(clicks[number]["folder"], clicks[number], why) for number, why in told]


def _said_again(events: ReadEvents, standing: dict[str, dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Events that were there already, and slates of requests that have one in `standing`, which gets the others."""
    yield from ((event, TWICE) for event in events.repeated)
    for shown in events.shown:
        if standing.setdefault(shown["request_id"], shown) is not shown:
            yield shown, ANOTHER


def _discarded(folder: str, event: dict[str, Any], reason: str) -> dict[str, Any]:
    own = {name: event.get(name) for name in ("event_id", "time", "request_id", "item_id")}
    return {"file": folder, **own, "reason": reason}
