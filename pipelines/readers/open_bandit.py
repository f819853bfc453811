"""The Open Bandit Dataset: single impressions with the logging policy's true propensities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.readers.malformed import ReadLog
from seriatim_errors import DataError

ITEM_CONTEXT = "item_context.csv"
AFFINITY = "user-item_affinity_"
USER_FEATURES = "user_feature_"
LOG_COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score")


def read_open_bandit(path: Path) -> ReadLog:
    """Read a campaign: every row is a request with the one item that was shown.

    Args:
        path: the campaign's folder (`women`, `men`, `all`) or its CSV file, with `item_context.csv` beside.

    The result has `propensity`; categorical user and item features as 0/1 columns that carry the value in
    their name, so that a model's feature names say all a caller must know; and `affinity`, the user's with
    the item shown. Positions 1 to 3 are left, centre and right.
    """
    log, items = _load(path)
    users = _user_one_hots(log)
    shown = _item_matrix(items).loc[log["item_id"]]
    affinity = _affinities(log)[np.arange(len(log)), _item_index(items, log["item_id"])]
    columns = {
        "request_id": pa.array(log.index.astype(str), pa.string()),
        "timestamp": pa.array(pd.to_datetime(log["timestamp"], utc=True).dt.tz_localize(None)).cast(
            pa.timestamp("us"), safe=False
        ),
        "item_id": pa.array(log["item_id"].astype(str), pa.string()),
        "position": pa.array(log["position"].to_numpy(np.int32)),
        "clicked": pa.array(log["click"].to_numpy(np.int8)),
        "propensity": pa.array(log["propensity_score"].to_numpy(np.float64)),
        **{name: pa.array(users[name].to_numpy(np.float32)) for name in users},
        **{name: pa.array(shown[name].to_numpy(np.float32)) for name in shown},
        "affinity": pa.array(affinity.astype(np.float32)),
    }
    return ReadLog(pa.table(columns))


def read_actions(
    path: Path, request_ids: Sequence[str] | NDArray[np.object_], names: Sequence[str]
) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
    """Features of every item of the campaign, shown or not, for the given requests.

    Args:
        path: as for `read_open_bandit`.
        request_ids: requests of that log.
        names: the model's feature names, which give the order of the columns.

    Returns:
        item ids, object (str) `[actions]`, and features, float32 `[requests, actions, features]`.
    """
    log, items = _load(path)
    rows = log.loc[np.asarray(request_ids, dtype=log.index.dtype)]
    users = _user_one_hots(log).loc[rows.index]
    item_matrix = _item_matrix(items)
    actions, requests = len(item_matrix), len(rows)
    features = np.zeros((requests, actions, len(names)), np.float32)
    for column, name in enumerate(names):
        if name in users:
            features[:, :, column] = users[name].to_numpy(np.float32)[:, None]
        elif name in item_matrix:
            features[:, :, column] = item_matrix[name].to_numpy(np.float32)[None, :]
        elif name == "affinity":
            features[:, :, column] = _affinities(rows)
        else:
            raise DataError(f"feature {name!r} is not one of this campaign's; retrain on {path}")
    return item_matrix.index.astype(str).to_numpy(object), features


def _load(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        found = [file for file in sorted(path.glob("*.csv*")) if file.name != ITEM_CONTEXT]
        if len(found) != 1:
            raise DataError(f"{path}: expected one log CSV beside {ITEM_CONTEXT}, found {len(found)}")
        path = found[0]
    context = folder / ITEM_CONTEXT
    if not context.exists():
        raise DataError(f"{context} is missing; the Open Bandit Dataset ships it beside the log")
    log, items = pd.read_csv(path, index_col=0), pd.read_csv(context, index_col=0)
    missing = [name for name in LOG_COLUMNS if name not in log]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; give an Open Bandit Dataset log")
    unknown = set(log["item_id"]) - set(items["item_id"])
    if unknown:
        raise DataError(f"{path}: item_id {min(unknown)} is not in {context}; the files do not belong together")
    return log, items.sort_values("item_id")


def _user_one_hots(log: pd.DataFrame) -> pd.DataFrame:
    columns = [name for name in log if name.startswith(USER_FEATURES)]
    return pd.get_dummies(log[columns].add_prefix("context_"), prefix_sep="=").astype(np.float32)


def _item_matrix(items: pd.DataFrame) -> pd.DataFrame:
    features = items.set_index("item_id")
    return pd.get_dummies(features, prefix_sep="=").astype(np.float32)


def _item_index(items: pd.DataFrame, item_ids: pd.Series) -> NDArray[np.int64]:
    return np.searchsorted(items["item_id"].to_numpy(), item_ids.to_numpy())


def _affinities(log: pd.DataFrame) -> NDArray[np.float32]:
    """float32 `[rows, actions]`, by ascending item id."""
    columns = sorted((name for name in log if name.startswith(AFFINITY)), key=lambda name: int(name[len(AFFINITY) :]))
    return log[columns].to_numpy(np.float32)
