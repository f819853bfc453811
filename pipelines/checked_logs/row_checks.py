"""The click log's columns, and what is checked of each of its rows by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.log_columns import Numbers, WrongTypes, number_column, text_column, time_column
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


def feature_columns(names: list[str]) -> FeatureColumns:
    """Split a log's column names into context and candidate features; reserved, tag and quarantine names are none."""
    other = (TAG_PREFIX, QUARANTINE_PREFIX)
    features = [name for name in names if name not in RESERVED_COLUMNS and not name.startswith(other)]
    return FeatureColumns(
        context=tuple(name for name in features if name.startswith(CONTEXT_PREFIX)),
        candidate=tuple(name for name in features if not name.startswith(CONTEXT_PREFIX)),
    )


class RowChecks:
    """The first reason against every row (`reasons`, None where the row is good so far) and `good`, bool `[rows]`."""

    def __init__(self, rows: int) -> None:
        self.reasons = np.full(rows, None, dtype=object)
        self.good = np.ones(rows, bool)

    def reject(self, bad: NDArray[np.bool_], reason: str) -> None:
        """Set the rows `bad` (bool `[rows]`) aside for `reason`, except those that are already."""
        new = bad & self.good
        self.reasons[new] = reason
        self.good &= ~new


def checked_rows(
    table: pa.Table, columns: FeatureColumns, checks: RowChecks, wrong: WrongTypes
) -> tuple[pa.Table, dict[str, NDArray[np.bool_]]]:
    """Check every row by itself; bad ones are set aside in `checks`.

    Returns:
        All rows in the contract's types, in which those of bad rows mean nothing, and where nulls stand by feature
        (bool `[rows]`; features without any are left out).

    Raises:
        DataError: a column holds another type than the contract says; the message names the column.
    """
    values: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in ("request_id", "item_id", "user_id"):
        if name in table.column_names:
            values[name] = text_column(name, table[name])
            if name in REQUIRED_COLUMNS:
                checks.reject(pc.equal(values[name], "").to_numpy(), f"{name} is missing")
    times = time_column("timestamp", table["timestamp"], wrong)
    checks.reject(times.missing, "timestamp is missing or unreadable")
    values["timestamp"] = pa.array(times.microseconds, pa.int64()).cast(pa.timestamp("us"))
    for name, (reason, rule) in NUMBER_RULES.items():
        if name in table.column_names:
            numbers = _numbers(name, table[name], checks, wrong)
            checks.reject(numbers.missing, f"{name} is missing")
            checks.reject(~numbers.missing & ~rule(numbers.values), reason)
            good = np.where(checks.good, numbers.values, 1)
            values[name] = pa.array(good.astype(NUMBER_TYPES[name].to_pandas_dtype()))
    missing: dict[str, NDArray[np.bool_]] = {}
    for name in columns.names:
        numbers = _numbers(name, table[name], checks, wrong)
        with np.errstate(over="ignore"):
            single = numbers.values.astype(np.float32)
        checks.reject(~np.isfinite(single), f"{name} is not finite")
        if numbers.missing.any():
            missing[name] = numbers.missing
        values[name] = pa.array(single)
    for name in table.column_names:
        if name.startswith(TAG_PREFIX):
            values[name] = table[name]
    return pa.table({name: values[name] for name in table.column_names if name in values}), missing


def require_columns(names: list[str]) -> None:
    """Refuse a log without the columns that every log has.

    Args:
        names: of the columns as they came.

    Raises:
        DataError: a column is missing or stands twice, or there is no label or no candidate feature.
    """
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"column {name!r} stands twice in the click log; rename or remove one of the two")
    for name in REQUIRED_COLUMNS:
        if name not in names:
            raise DataError(
                f"column {name!r} is missing from the click log (found: {', '.join(names)}); "
                f"every row needs {', '.join(REQUIRED_COLUMNS)}"
            )
    if not any(name in names for name in LABEL_COLUMNS):
        raise DataError(
            "the click log has neither a column 'clicked' nor 'grade'; add clicks (0 or 1) or graded relevance"
        )
    if not feature_columns(names).candidate:
        raise DataError(
            "the click log has no candidate feature; add at least one numeric column beside the reserved ones "
            f"({', '.join(RESERVED_COLUMNS)})"
        )


def decoded(table: pa.Table) -> pa.Table:
    """The table with dictionary columns as plain ones, and without what an earlier quarantine wrote."""
    names = enumerate(table.column_names)
    table = table.select([index for index, name in names if not name.startswith(QUARANTINE_PREFIX)])
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, pc.cast(table.column(index), field.type.value_type))
    return table


def _numbers(name: str, column: pa.ChunkedArray, checks: RowChecks, wrong: WrongTypes) -> Numbers:
    numbers = number_column(name, column, wrong)
    checks.reject(numbers.unreadable, f"{name} is not a number")
    return numbers
