"""Validation of a log, or of some requests of one, that comes in pieces: rows at once, requests when all are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.checked_logs.row_checks import (
    REASON_COLUMN,
    ROW_COLUMN,
    FeatureColumns,
    RowChecks,
    checked_rows,
    feature_columns,
)
from pipelines.log_columns import WrongTypes


@dataclass(frozen=True)
class GoodRows:
    """Rows with nothing against them so far.

    Attributes:
        raw: as they came.
        values: in the contract's types.
        missing: bool `[rows]` by feature: where a null stands; features without any are left out.
    """

    raw: pa.Table
    values: pa.Table
    missing: dict[str, NDArray[np.bool_]]

    def where(self, wanted: NDArray[np.bool_]) -> GoodRows:
        """Some of the rows."""
        if wanted.all():
            return self
        mask = pa.array(wanted)
        missing = {name: values[wanted] for name, values in self.missing.items()}
        return GoodRows(self.raw.filter(mask), self.values.filter(mask), missing)


class PiecewiseValidation:
    """Checks pieces of a log; bad rows can be taken away as they are found, good ones are kept until the end.

    Args:
        wrong: where texts that are no numbers or times are counted; who has seen the whole log asks it to refuse.
        max_request_rows: of a request only so many rows are kept, the first by position (the first in the log where
            positions are equal); the others are bad. None: all.
    """

    def __init__(self, wrong: WrongTypes, max_request_rows: int | None = None) -> None:
        self.reasons: Counter[str] = Counter()
        self._wrong, self._max_request_rows = wrong, max_request_rows
        self._kept: list[GoodRows] = []
        self._bad: list[pa.Table] = []
        self._with_missing: dict[str, None] = {}

    def add(self, table: pa.Table) -> None:
        """Check the rows of one piece by themselves; pieces have the same schema.

        Raises:
            DataError: a column holds another type than the contract says.
        """
        checks = RowChecks(len(table))
        values, missing = checked_rows(table, feature_columns(table.column_names), checks, self._wrong)
        self._with_missing |= dict.fromkeys(missing)
        self._keep(GoodRows(table, values, missing), checks)
        self._cap_requests()

    def take_bad(self) -> list[pa.Table]:
        """Bad rows found since this was last called, as they came with the reason behind; not in the log's order."""
        bad, self._bad = self._bad, []
        return bad

    def finish(self) -> tuple[pa.Table, pa.ChunkedArray, dict[str, int]]:
        """Check the rows of each request against one another.

        Returns:
            The good rows in the contract's types, in the order of the pieces; their numbers, int64 `[rows]`; and how
            many nulls in them became 0 by feature.
        """
        good, self._kept = _joined(self._kept), []
        checks = RowChecks(len(good.raw))
        check_requests(good.values, feature_columns(good.raw.column_names), checks)
        self._keep(good, checks)
        [good] = self._kept
        defaulted = {name: int(good.missing[name].sum()) if name in good.missing else 0 for name in self._with_missing}
        return good.values, good.raw[ROW_COLUMN], defaulted

    def _keep(self, rows: GoodRows, checks: RowChecks) -> None:
        bad = np.flatnonzero(~checks.good)
        if len(bad):
            reasons = checks.reasons[bad].astype(str)
            names, counts = np.unique(reasons, return_counts=True)
            self.reasons.update(dict(zip(names.tolist(), counts.tolist(), strict=True)))
            self._bad.append(rows.raw.take(pa.array(bad)).append_column(REASON_COLUMN, pa.array(reasons, pa.string())))
        self._kept.append(rows.where(checks.good))

    def _cap_requests(self) -> None:
        most = self._max_request_rows
        if most is None or sum(len(rows.raw) for rows in self._kept) <= most:
            return
        requests = pa.chunked_array([chunk for rows in self._kept for chunk in rows.values["request_id"].chunks])
        sizes = pc.value_counts(requests).field("counts")
        if pc.max(sizes).as_py() <= most:
            return
        kept, self._kept = _joined(self._kept), []
        codes = codes_of(kept.values["request_id"])
        order = np.lexsort((kept.values["position"].to_numpy(), codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        place = np.arange(len(codes)) - np.repeat(starts, np.diff(starts, append=len(codes)))
        checks = RowChecks(len(codes))
        excess = np.zeros(len(codes), bool)
        excess[order] = place >= most
        checks.reject(excess, f"the request has more than {most} rows")
        self._keep(kept, checks)


def check_requests(values: pa.Table, columns: FeatureColumns, checks: RowChecks) -> None:
    """Checks across the rows of one request; the first good row is the one that stays."""
    requests, items = codes_of(values["request_id"]), codes_of(values["item_id"])
    positions = values["position"].to_numpy().astype(np.int64)
    for other, reason in (
        (items, "the item stands twice in its request"),
        (positions, "the position is taken twice in its request"),
    ):
        good = np.flatnonzero(checks.good)
        pairs = requests[good] * (other.max(initial=0) + 1) + other[good]
        repeated = np.zeros(len(requests), bool)
        repeated[good] = pd.Series(pairs).duplicated(keep="first").to_numpy()
        checks.reject(repeated, reason)
    good = np.flatnonzero(checks.good)
    first = np.zeros(requests.max(initial=0) + 1, np.int64)
    first[requests[good][::-1]] = good[::-1]
    for name in columns.context:
        column = values[name].to_numpy()
        checks.reject(column != column[first[requests]], f"{name} differs within its request")
    if "user_id" in values.column_names:
        users = codes_of(values["user_id"])
        checks.reject(users != users[first[requests]], "user_id differs within its request")


def codes_of(identifiers: pa.ChunkedArray) -> NDArray[np.int64]:
    """Numbers for identifiers, int64 `[rows]`, from 0 by their first row."""
    if len(identifiers) == 0:
        return np.zeros(0, np.int64)
    return identifiers.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)


def _joined(parts: Sequence[GoodRows]) -> GoodRows:
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.missing)
    missing = {
        name: np.concatenate([part.missing.get(name, np.zeros(len(part.raw), bool)) for part in parts])
        for name in names
    }
    raw, values = (pa.concat_tables([getattr(part, name) for part in parts]) for name in ("raw", "values"))
    return GoodRows(raw, values, missing)
