"""The Open Bandit Dataset: single impressions with the logging policy's true propensities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.readers.read_logs import ReadLog, read_from, readable
from seriatim_errors import DataError

ITEM_CONTEXT = "item_context.csv"
AFFINITY = "user-item_affinity_"
USER_FEATURES = "user_feature_"
LOG_COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score")


@dataclass(frozen=True)
class Campaign:
    """One campaign of the data set, in memory; a request is a row and its id the row's number.

    Attributes:
        path: the log's file.
        log: the rows as they stand in the file.
        users: 0/1 columns `context_user_feature_*=value`, float32 `[rows]`.
        items: by ascending item id, numbers as they are and categories as 0/1 columns, float32 `[actions]`.
        affinities: of each row's user with every item, float32 `[rows, actions]`.
    """

    path: Path
    log: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame
    affinities: NDArray[np.float32]

    def as_log(self) -> pa.Table:
        """Every row as a request with the one item that was shown; see `read_open_bandit`."""
        rows = np.arange(len(self.log))
        shown = self.items.index.get_indexer(self.log["item_id"])
        times = pd.to_datetime(self.log["timestamp"], utc=True, errors="coerce")
        columns = {
            "request_id": pa.array(rows.astype(str), pa.string()),
            "timestamp": pa.array(times.dt.tz_localize(None)).cast(pa.timestamp("us"), safe=False),
            "item_id": pa.array(self.log["item_id"].astype(str), pa.string()),
            "position": pa.Array.from_pandas(self.log["position"]),
            "clicked": pa.Array.from_pandas(self.log["click"]),
            "propensity": pa.Array.from_pandas(self.log["propensity_score"]),
            **{name: pa.array(self.users[name].to_numpy()) for name in self.users},
            **{name: pa.array(self.items[name].to_numpy()[shown]) for name in self.items},
            "affinity": pa.array(self.affinities[rows, shown]),
        }
        return pa.table(columns)

    def action_features(self, request_ids: Sequence[str], names: Sequence[str]) -> NDArray[np.float32]:
        """Features of every item, shown or not, for the given requests.

        Args:
            request_ids: requests of this campaign's log.
            names: a model's feature names, which give the order of the columns.

        Returns:
            float32 `[requests, actions, features]`, actions by ascending item id.

        Raises:
            DataError: a name is not one of this campaign's features.
        """
        rows = np.array(request_ids, dtype=np.int64)
        features = np.zeros((len(rows), len(self.items), len(names)), np.float32)
        for column, name in enumerate(names):
            if name in self.users:
                features[:, :, column] = self.users[name].to_numpy()[rows, None]
            elif name in self.items:
                features[:, :, column] = self.items[name].to_numpy()
            elif name == "affinity":
                features[:, :, column] = self.affinities[rows]
            else:
                raise DataError(f"feature {name!r} is not one of this campaign's; retrain on {self.path}")
        return features


def read_open_bandit(path: Path) -> ReadLog:
    """Read a campaign: every row is a request with the one item that was shown.

    Args:
        path: the campaign's folder (`women`, `men`, `all`) or its CSV file, with `item_context.csv` beside.

    The result has `propensity`; categorical user and item features as 0/1 columns that carry the value in
    their name, so that a model's feature names say all a caller must know; and `affinity`, the user's with
    the item shown. Positions 1 to 3 are left, centre and right.

    Raises:
        DataError: a file or column is missing, or log and items do not belong together.
    """
    campaign = read_campaign(path)
    return read_from(campaign.path, campaign.as_log())


def read_campaign(path: Path) -> Campaign:
    """Read a campaign's log and items; arguments and errors as in `read_open_bandit`."""
    if path.is_dir():
        found = [file for file in sorted(path.glob("*.csv*")) if file.name != ITEM_CONTEXT]
        if len(found) != 1:
            raise DataError(f"{path}: expected one log CSV beside {ITEM_CONTEXT}, found {len(found)}")
        path = found[0]
    context = item_context_file(path)
    log, items = _read_table(path, LOG_COLUMNS), _read_table(context, ("item_id",))
    unknown = set(log["item_id"]) - set(items["item_id"])
    if unknown:
        raise DataError(f"{path}: item_id {min(unknown)} is not in {context}; the files do not belong together")
    items = items.set_index("item_id").sort_index()
    affinities = [f"{AFFINITY}{item}" for item in items.index]
    missing = [name for name in affinities if name not in log]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing, one is needed for each item of {context}")
    users = log[[name for name in log if name.startswith(USER_FEATURES)]].add_prefix("context_")
    return Campaign(
        path=path,
        log=log,
        users=pd.get_dummies(users, prefix_sep="=").astype(np.float32),
        items=pd.get_dummies(items, prefix_sep="=").astype(np.float32),
        affinities=log[affinities].to_numpy(np.float32),
    )


def item_context_file(path: Path) -> Path:
    """The file of item features beside a campaign's log.

    Raises:
        DataError: there is none.
    """
    context = path.with_name(ITEM_CONTEXT)
    if not context.exists():
        raise DataError(f"{context} is missing; the Open Bandit Dataset ships it beside the log")
    return context


def _read_table(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    try:
        with readable(path, "CSV"):
            table = pd.read_csv(path, index_col=0)
    except ValueError as error:
        raise DataError(f"{path} is not a readable CSV file: {error}") from None
    for name in required:
        if name not in table:
            raise DataError(f"{path}: column {name!r} is missing; give an Open Bandit Dataset log")
    # The first column of the files is a row number that a sample of them keeps; ours counts from 0 without gaps.
    return table.reset_index(drop=True)
