"""The click-log contract: one row an impressed item, every other column a feature, no bad row lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.log_columns import Numbers, number_column, text_column, time_column
from seriatim_errors import DataError

REQUIRED_COLUMNS = ("request_id", "timestamp", "item_id", "position")
LABEL_COLUMNS = ("clicked", "grade")
RESERVED_COLUMNS = (*REQUIRED_COLUMNS, *LABEL_COLUMNS, "propensity", "user_id", "weight")
CONTEXT_PREFIX, ITEM_PREFIX, TAG_PREFIX, QUARANTINE_PREFIX = "context_", "item_", "tag_", "quarantine_"
ROW_COLUMN, REASON_COLUMN = f"{QUARANTINE_PREFIX}row", f"{QUARANTINE_PREFIX}reason"
NUMBER_TYPES = {
    "position": pa.int32(),
    "clicked": pa.int8(),
    "grade": pa.float32(),
    "propensity": pa.float64(),
    "weight": pa.float32(),
}
LARGEST_POSITION, LARGEST_FLOAT32 = np.iinfo(np.int32).max, np.finfo(np.float32).max
# For each reserved number: the reason against a row, and what the row must keep.
NUMBER_RULES: dict[str, tuple[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]]] = {
    "position": (
        "position is not a whole number from 1",
        lambda x: (x >= 1) & (x <= LARGEST_POSITION) & (x == np.floor(x)),
    ),
    "clicked": ("clicked is not 0 or 1", lambda x: (x == 0) | (x == 1)),
    "grade": ("grade is negative or not finite", lambda x: (x >= 0) & (x <= LARGEST_FLOAT32)),
    "propensity": ("propensity is not in (0, 1]", lambda x: (x > 0) & (x <= 1)),
    "weight": ("weight is negative or not finite", lambda x: (x >= 0) & (x <= LARGEST_FLOAT32)),
}


@dataclass(frozen=True)
class FeatureColumns:
    """Names of the feature columns; a model reads `context` first, then `candidate`, each in log order.

    Attributes:
        context: columns `context_*`, constant within a request.
        candidate: all other features, of the item or of the item in this request.
    """

    context: tuple[str, ...]
    candidate: tuple[str, ...]

    @property
    def of_item(self) -> tuple[str, ...]:
        """Columns `item_*`, which belong to the item alone, whatever the request."""
        return tuple(name for name in self.candidate if name.startswith(ITEM_PREFIX))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of a model's input matrix."""
        return self.context + self.candidate


@dataclass(frozen=True)
class ValidatedLog:
    """A click log after validation.

    Attributes:
        clean: the good rows in input order: request_id, item_id, user_id string; timestamp timestamp[us];
            position int32; clicked int8; grade, weight, features float32; propensity float64.
        quarantine: the bad rows as they came, with `quarantine_row` (1-based number in the input) and
            `quarantine_reason` (the first thing found against the row).
        columns: the features.
        reasons: number of quarantined rows by reason.
        defaulted: number of null values in good rows, by feature, that were replaced by the default 0.
    """

    clean: pa.Table
    quarantine: pa.Table
    columns: FeatureColumns
    reasons: dict[str, int]
    defaulted: dict[str, int]

    @property
    def bad_share(self) -> float:
        """Quarantined rows as a share of all rows."""
        rows = len(self.clean) + len(self.quarantine)
        return len(self.quarantine) / rows if rows else 0.0


def feature_columns(names: list[str]) -> FeatureColumns:
    """Split a log's column names into context and candidate features; reserved, tag and quarantine names are none."""
    other = (TAG_PREFIX, QUARANTINE_PREFIX)
    features = [name for name in names if name not in RESERVED_COLUMNS and not name.startswith(other)]
    return FeatureColumns(
        context=tuple(name for name in features if name.startswith(CONTEXT_PREFIX)),
        candidate=tuple(name for name in features if not name.startswith(CONTEXT_PREFIX)),
    )


def validate(table: pa.Table) -> ValidatedLog:
    """Check every row of a click log against the contract.

    Args:
        table: the log as read, one row an impressed item.

    Raises:
        DataError: the log is empty, a column is missing or stands twice, holds another type than the contract
            says, or there is no candidate feature; the message names the column.
    """
    if len(table) == 0:
        raise DataError("the click log has no rows; give a log with at least one impression")
    table = _decoded(table)
    columns = feature_columns(table.column_names)
    _require_columns(table, columns)
    checks = _RowChecks(len(table))
    values: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in ("request_id", "item_id", "user_id"):
        if name in table.column_names:
            values[name] = text_column(name, table[name])
            if name in REQUIRED_COLUMNS:
                checks.reject(pc.equal(values[name], "").to_numpy(), f"{name} is missing")
    times = time_column("timestamp", table["timestamp"])
    checks.reject(times.missing, "timestamp is missing or unreadable")
    values["timestamp"] = pa.array(times.microseconds, pa.int64()).cast(pa.timestamp("us"))
    for name, (reason, rule) in NUMBER_RULES.items():
        if name in table.column_names:
            numbers = _numbers(name, table[name], checks)
            checks.reject(numbers.missing, f"{name} is missing")
            checks.reject(~numbers.missing & ~rule(numbers.values), reason)
            good = np.where(checks.good, numbers.values, 1)
            values[name] = pa.array(good.astype(NUMBER_TYPES[name].to_pandas_dtype()))
    missing: dict[str, NDArray[np.bool_]] = {}
    for name in columns.names:
        numbers = _numbers(name, table[name], checks)
        with np.errstate(over="ignore"):
            single = numbers.values.astype(np.float32)
        checks.reject(~np.isfinite(single), f"{name} is not finite")
        if numbers.missing.any():
            missing[name] = numbers.missing
        values[name] = pa.array(single)
    for name in table.column_names:
        if name.startswith(TAG_PREFIX):
            values[name] = table[name]
    _check_requests(values, columns, checks)
    bad = np.flatnonzero(~checks.good)
    reasons, counts = np.unique(checks.reasons[bad].astype(str), return_counts=True)
    ordered = [name for name in table.column_names if name in values]
    return ValidatedLog(
        clean=pa.table({name: values[name] for name in ordered}).filter(pa.array(checks.good)),
        quarantine=_quarantine(table, bad, checks.reasons[bad].astype(str)),
        columns=columns,
        reasons=dict(zip(reasons.tolist(), counts.tolist(), strict=True)),
        defaulted={name: int(where[checks.good].sum()) for name, where in missing.items()},
    )


class _RowChecks:
    """The first reason against every row, `None` where the row is good so far."""

    def __init__(self, rows: int) -> None:
        self.reasons = np.full(rows, None, dtype=object)
        self.good = np.ones(rows, bool)

    def reject(self, bad: NDArray[np.bool_], reason: str) -> None:
        new = bad & self.good
        self.reasons[new] = reason
        self.good &= ~new


def _require_columns(table: pa.Table, columns: FeatureColumns) -> None:
    for name in table.column_names:
        if table.column_names.count(name) > 1:
            raise DataError(f"column {name!r} stands twice in the click log; rename or remove one of the two")
    for name in REQUIRED_COLUMNS:
        if name not in table.column_names:
            raise DataError(
                f"column {name!r} is missing from the click log (found: {', '.join(table.column_names)}); "
                f"every row needs {', '.join(REQUIRED_COLUMNS)}"
            )
    if not any(name in table.column_names for name in LABEL_COLUMNS):
        raise DataError(
            "the click log has neither a column 'clicked' nor 'grade'; add clicks (0 or 1) or graded relevance"
        )
    if not columns.candidate:
        raise DataError(
            "the click log has no candidate feature; add at least one numeric column beside the reserved ones "
            f"({', '.join(RESERVED_COLUMNS)})"
        )


def _decoded(table: pa.Table) -> pa.Table:
    """The table with dictionary columns as plain ones, and without what an earlier quarantine wrote."""
    names = enumerate(table.column_names)
    table = table.select([index for index, name in names if not name.startswith(QUARANTINE_PREFIX)])
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, pc.cast(table.column(index), field.type.value_type))
    return table


def _numbers(name: str, column: pa.ChunkedArray, checks: _RowChecks) -> Numbers:
    numbers = number_column(name, column)
    checks.reject(numbers.unreadable, f"{name} is not a number")
    return numbers


def _quarantine(table: pa.Table, bad: NDArray[np.int64], reasons: NDArray[np.str_]) -> pa.Table:
    return (
        table.take(pa.array(bad))
        .append_column(ROW_COLUMN, pa.array(bad + 1, pa.int64()))
        .append_column(REASON_COLUMN, pa.array(reasons, pa.string()))
    )


def _check_requests(values: dict[str, pa.Array | pa.ChunkedArray], columns: FeatureColumns, checks: _RowChecks) -> None:
    """Checks across the rows of one request; the first good row is the one that stays."""
    requests = pd.factorize(values["request_id"].to_pandas())[0].astype(np.int64)
    items = pd.factorize(values["item_id"].to_pandas())[0].astype(np.int64)
    positions = values["position"].to_numpy().astype(np.int64)
    for other, reason in (
        (items, "the item stands twice in its request"),
        (positions, "the position is taken twice in its request"),
    ):
        good = np.flatnonzero(checks.good)
        pairs = pd.DataFrame({"request": requests[good], "other": other[good]})
        repeated = np.zeros(len(requests), bool)
        repeated[good] = pairs.duplicated(keep="first").to_numpy()
        checks.reject(repeated, reason)
    good = np.flatnonzero(checks.good)
    first = np.zeros(requests.max(initial=0) + 1, np.int64)
    first[requests[good][::-1]] = good[::-1]
    for name in columns.context:
        column = values[name].to_numpy()
        checks.reject(column != column[first[requests]], f"{name} differs within its request")
    if "user_id" in values:
        users = pd.factorize(values["user_id"].to_pandas())[0]
        checks.reject(users != users[first[requests]], "user_id differs within its request")
