"""The service's event log as a click log: slates joined with what users did with their items."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.click_log import CONTEXT_PREFIX
from pipelines.readers.read_logs import ReadLog, read_from
from seriatim_errors import DataError
from serving.events import FeatureNames, ReadEvents, read_events
from serving.events.records import unpacked

logger = logging.getLogger(__name__)
SAMPLED = ("temperature", "epsilon")


@dataclass(frozen=True)
class EventJoin:
    """How events become clicks.

    Attributes:
        click_action: the action that counts as a click.
        window_seconds: a click counts from the moment the slate was shown until this long after.
    """

    click_action: str = "click"
    window_seconds: float = 3600.0


def read_event_log(folder: Path, join: EventJoin) -> ReadLog:
    """One row an item shown, exactly one for each request and item, however often its events were sent.

    A row's propensity is the logged probability of its place where the slate was sampled, and 1 where the policy was
    deterministic; slates that callers logged themselves keep what they said. Clicks outside of the window and those
    without a slate are counted in a warning and are no clicks. Lines that are not whole are malformed lines.

    Raises:
        DataError: the folder holds no events, or cannot be read.
    """
    events = read_events(folder)
    if not events.shown:
        raise DataError(f"{folder} holds no slates; give the folder that the service's events.folder names")
    frame = _impressions(events)
    frame["clicked"] = _clicked(frame, events, join, folder)
    frame = frame.drop(columns="shown_at")
    if frame["propensity"].isna().all():
        frame = frame.drop(columns="propensity")
    malformed = [(number, line.decode(errors="replace").rstrip("\n")) for _, number, line in events.broken]
    return read_from(folder, pa.Table.from_pandas(frame, preserve_index=False), malformed)


def _impressions(events: ReadEvents) -> pd.DataFrame:
    """A row an item shown; the first slate of a request stands."""
    first: dict[str, dict[str, Any]] = {}
    for shown in events.shown:
        first.setdefault(shown["request_id"], shown)
    by_names: dict[str, list[dict[str, Any]]] = {}
    for shown in first.values():
        by_names.setdefault(shown["names"], []).append(shown)
    frames = [_frame(slates, events.names[names]) for names, slates in by_names.items()]
    whole = pd.concat(frames, ignore_index=True)
    if (whole["user_id"] == "").all():
        whole = whole.drop(columns="user_id")
    return whole


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


def _clicked(frame: pd.DataFrame, events: ReadEvents, join: EventJoin, folder: Path) -> np.ndarray:
    """0 or 1 a row of `frame`."""
    clicks = [acted for acted in events.acted if acted["action"] == join.click_action]
    acted = pd.DataFrame(
        {
            "request_id": [click["request_id"] for click in clicks],
            "item_id": [click["item_id"] for click in clicks],
            "acted_at": np.array([click["time"] for click in clicks], np.int64),
        }
    )
    places = frame[["request_id", "item_id", "shown_at"]].assign(row=np.arange(len(frame)))
    joined = acted.merge(places, how="left", on=["request_id", "item_id"])
    orphans = joined["row"].isna()
    late = joined["acted_at"] - joined["shown_at"]
    inside = ~orphans & (late >= 0) & (late <= 1e6 * join.window_seconds)
    outside = int((~orphans & ~inside).sum())
    if orphans.any() or outside:
        logger.warning(
            "%s: %d clicks without a slate and %d outside of the window of %g s are no clicks",
            folder,
            int(orphans.sum()),
            outside,
            join.window_seconds,
        )
    clicked = np.zeros(len(frame), np.int8)
    clicked[joined.loc[inside, "row"].to_numpy(np.int64)] = 1
    return clicked
