"""The items of logged slates as rows of a click log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipelines.click_log import CONTEXT_PREFIX
from serving.events import FeatureNames
from serving.events.records import unpacked

SAMPLED = ("temperature", "epsilon")


def rows_of_slates(slates: Sequence[dict[str, Any]], names: Mapping[str, FeatureNames]) -> pd.DataFrame:
    """A row an item shown, slates of the same features together.

    A row's propensity is the logged probability of its place where the slate was sampled, and 1 where the policy was
    deterministic; slates that callers logged themselves keep what they said.

    Args:
        slates: events of the kind `shown`, one or more.
        names: the features that they refer to.
    """
    by_names: dict[str, list[dict[str, Any]]] = {}
    for shown in slates:
        by_names.setdefault(shown["names"], []).append(shown)
    frames = [_frame(alike, names[features]) for features, alike in by_names.items()]
    return pd.concat(frames, ignore_index=True)


def _frame(slates: Sequence[dict[str, Any]], names: FeatureNames) -> pd.DataFrame:
    counts = [len(slate["item_ids"]) for slate in slates]
    times = np.array([slate["time"] for slate in slates], np.int64).view("datetime64[us]")
    frame = pd.DataFrame(
        {
            "request_id": np.repeat([slate["request_id"] for slate in slates], counts),
            "timestamp": np.repeat(times, counts),
            "item_id": [item for slate in slates for item in slate["item_ids"]],
            "position": [place for slate in slates for place in slate["positions"]],
            "propensity": [value for slate in slates for value in _propensities(slate)],
            "user_id": np.repeat([slate["user_id"] for slate in slates], counts),
        }
    )
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
