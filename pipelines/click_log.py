"""The click-log contract: one row an impressed item, every other column a feature, no bad row lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seriatim_errors import DataError

REQUIRED_COLUMNS = ("request_id", "timestamp", "item_id", "position")
LABEL_COLUMNS = ("clicked", "grade")
RESERVED_COLUMNS = (*REQUIRED_COLUMNS, *LABEL_COLUMNS, "propensity", "user_id", "weight")
CONTEXT_PREFIX, TAG_PREFIX = "context_", "tag_"
NUMERIC_TYPES = {
    "position": pa.int32(),
    "clicked": pa.int8(),
    "grade": pa.float32(),
    "propensity": pa.float64(),
    "weight": pa.float32(),
}
# A column where more than this share of values is no number was never meant to hold numbers.
WRONG_TYPE_SHARE = 0.5


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
    def names(self) -> tuple[str, ...]:
        """Columns of a model's input matrix."""
        return self.context + self.candidate


@dataclass(frozen=True)
class ValidatedLog:
    """A click log after validation.

    Attributes:
        clean: the good rows in input order: request_id, item_id, user_id string; timestamp timestamp[us];
            position int32; clicked int8; grade, weight, features float32; propensity float64.
        quarantine: the bad rows as they came, with `row` (1-based number in the input) and `reason`.
        columns: the features.
        reasons: number of quarantined rows by reason.
        defaulted: number of null values by feature that were replaced by the default 0.
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
    """Split a log's column names into context and candidate features; reserved and `tag_` columns are none."""
    features = [name for name in names if name not in RESERVED_COLUMNS and not name.startswith(TAG_PREFIX)]
    return FeatureColumns(
        context=tuple(name for name in features if name.startswith(CONTEXT_PREFIX)),
        candidate=tuple(name for name in features if not name.startswith(CONTEXT_PREFIX)),
    )


def validate(table: pa.Table) -> ValidatedLog:
    """Check every row of a click log against the contract.

    Args:
        table: the log as read, one row an impressed item.

    Raises:
        DataError: the log is empty, a column is missing, holds another type than the contract says, or there
            is no candidate feature; the message names the column.
    """
    if len(table) == 0:
        raise DataError("the click log has no rows; give a log with at least one impression")
    columns = feature_columns(table.column_names)
    _require_columns(table, columns)
    checks = _RowChecks(len(table))
    values: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in ("request_id", "item_id"):
        values[name] = _identifiers(table, name, checks)
    values["timestamp"] = _timestamps(table["timestamp"], checks)
    rules: dict[str, tuple[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]]] = {
        "position": ("position is not a whole number from 1", lambda x: (x >= 1) & (x == np.floor(x))),
        "clicked": ("clicked is not 0 or 1", lambda x: (x == 0) | (x == 1)),
        "grade": ("grade is negative or not finite", lambda x: (x >= 0) & np.isfinite(x)),
        "propensity": ("propensity is not in (0, 1]", lambda x: (x > 0) & (x <= 1)),
        "weight": ("weight is negative or not finite", lambda x: (x >= 0) & np.isfinite(x)),
    }
    for name, (reason, rule) in rules.items():
        if name in table.column_names:
            numbers, missing = _numbers(table, name, checks)
            checks.reject(missing, f"{name} is missing")
            checks.reject(~missing & ~rule(numbers), reason)
            good = np.where(checks.good, numbers, 1)
            values[name] = pa.array(good.astype(NUMERIC_TYPES[name].to_pandas_dtype()))
    if "user_id" in table.column_names:
        values["user_id"] = pc.cast(table["user_id"], pa.string())
    defaulted: dict[str, int] = {}
    for name in columns.names:
        numbers, missing = _numbers(table, name, checks)
        with np.errstate(over="ignore"):
            single = np.where(missing, 0.0, numbers).astype(np.float32)
        checks.reject(~np.isfinite(single), f"{name} is not finite")
        if missing.any():
            defaulted[name] = int(missing.sum())
        values[name] = pa.array(single)
    for name in table.column_names:
        if name.startswith(TAG_PREFIX):
            values[name] = table[name]
    _check_requests(values, columns, checks)
    ordered = [name for name in table.column_names if name in values]
    good_rows = pa.array(checks.good)
    bad = np.flatnonzero(~checks.good)
    quarantine = (
        table.take(pa.array(bad))
        .append_column("row", pa.array(bad + 1))
        .append_column("reason", pa.array(checks.reasons[bad].astype(str), pa.string()))
    )
    reasons, counts = np.unique(checks.reasons[bad].astype(str), return_counts=True)
    return ValidatedLog(
        clean=pa.table({name: values[name] for name in ordered}).filter(good_rows),
        quarantine=quarantine,
        columns=columns,
        reasons=dict(zip(reasons.tolist(), counts.tolist(), strict=True)),
        defaulted=defaulted,
    )


class _RowChecks:
    """The first reason against every row, `None` where the row is good so far."""

    def __init__(self, rows: int) -> None:
        self.reasons = np.full(rows, None, dtype=object)

    @property
    def good(self) -> NDArray[np.bool_]:
        return np.equal(self.reasons, None)

    def reject(self, bad: NDArray[np.bool_], reason: str) -> None:
        if bad.any():
            self.reasons[bad & self.good] = reason


def _require_columns(table: pa.Table, columns: FeatureColumns) -> None:
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


def _identifiers(table: pa.Table, name: str, checks: _RowChecks) -> pa.ChunkedArray:
    column = table[name]
    if not (
        pa.types.is_string(column.type)
        or pa.types.is_large_string(column.type)
        or pa.types.is_integer(column.type)
        or pa.types.is_dictionary(column.type)
    ):
        raise DataError(f"column {name!r} holds {column.type}; give strings or whole numbers")
    text = pc.cast(column, pa.string())
    checks.reject(pc.equal(pc.fill_null(text, ""), "").to_numpy(), f"{name} is missing")
    return text


def _timestamps(column: pa.ChunkedArray, checks: _RowChecks) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        micros = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
        missing = pc.is_null(micros).to_numpy()
        values = pc.fill_null(micros, 0).to_numpy()
    elif pa.types.is_integer(column.type):
        missing = pc.is_null(column).to_numpy()
        values = pc.fill_null(pc.cast(column, pa.int64()), 0).to_numpy()
    elif pa.types.is_string(column.type):
        parsed = pd.to_datetime(column.to_pandas(), errors="coerce", utc=True)
        missing = parsed.isna().to_numpy()
        _refuse_wrong_type("timestamp", column, missing, "ISO 8601 text or microseconds since 1970")
        values = parsed.fillna(pd.Timestamp(0, tz="UTC")).astype("int64").to_numpy() // 1000
    else:
        raise DataError(
            f"column 'timestamp' holds {column.type}; give timestamps, ISO 8601 text or microseconds since 1970"
        )
    checks.reject(missing, "timestamp is missing or unreadable")
    return pa.array(values, pa.int64()).cast(pa.timestamp("us"))


def _numbers(table: pa.Table, name: str, checks: _RowChecks) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The column as float64 with nulls as 0, and where it is null; unreadable texts reject their rows."""
    column = table[name]
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        series = column.to_pandas()
        parsed = pd.to_numeric(series, errors="coerce")
        unreadable = (parsed.isna() & series.notna() & (series.str.lower() != "nan")).to_numpy()
        _refuse_wrong_type(name, column, unreadable, "numbers")
        checks.reject(unreadable, f"{name} is not a number")
        return parsed.fillna(0).to_numpy(np.float64), series.isna().to_numpy()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        if pa.types.is_null(kind):
            return np.zeros(len(table)), np.ones(len(table), bool)
        raise DataError(f"column {name!r} holds {kind}; give numbers, or leave the column out with data.ignore_columns")
    missing = pc.is_null(column).to_numpy()
    numbers = pc.fill_null(pc.cast(column, pa.float64(), safe=False), 0.0).to_numpy()
    return numbers, missing


def _refuse_wrong_type(name: str, column: pa.ChunkedArray, bad: NDArray[np.bool_], wanted: str) -> None:
    if bad.mean() > WRONG_TYPE_SHARE:
        example = column[int(np.argmax(bad))].as_py()
        raise DataError(
            f"column {name!r} holds {column.type} such as {example!r}; give {wanted}, "
            "or leave the column out with data.ignore_columns"
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
