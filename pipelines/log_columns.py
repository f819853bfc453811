"""One column of a click log as text, times or numbers, whatever type it was stored in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seriatim_errors import DataError

# What stands for "no value" in a text column of numbers; "nan" is not among them: it is a value gone wrong.
NULL_SPELLINGS = ("", "NA", "N/A", "null", "NULL")
NAN_SPELLINGS = ("nan", "+nan", "-nan")
TRUTH_SPELLINGS = {"true": "1", "false": "0"}
# A column where more than this share of values is no number was never meant to hold numbers.
WRONG_TYPE_SHARE = 0.5
LEAVE_OUT = "or leave the column out (data.ignore_columns in the config, --ignore-column on the command line)"


class WrongTypes:
    """Texts that are not what their column is to hold, counted over all pieces of a log."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._bad: dict[str, int] = {}
        self._refusals: dict[str, str] = {}

    def count(self, name: str, column: pa.ChunkedArray, bad: NDArray[np.bool_], wanted: str) -> None:
        """Add a piece of the text column `name`, in which the rows `bad` (bool `[rows]`) are not what is `wanted`."""
        self._rows[name] = self._rows.get(name, 0) + len(bad)
        self._bad[name] = self._bad.get(name, 0) + int(bad.sum())
        if name not in self._refusals and bad.any():
            example = column[int(np.argmax(bad))].as_py()
            self._refusals[name] = (
                f"column {name!r} holds {column.type} such as {example!r}; give {wanted}, {LEAVE_OUT}"
            )

    def refuse(self) -> None:
        """Refuse the first column of which most is not what it is to hold.

        Raises:
            DataError: there is such a column.
        """
        for name, refusal in self._refusals.items():
            if self._bad[name] > WRONG_TYPE_SHARE * self._rows[name]:
                raise DataError(refusal)


@dataclass(frozen=True)
class Numbers:
    """A column as numbers.

    Attributes:
        values: float64 `[rows]`; 0 where missing or unreadable, not finite where the column holds that.
        missing: bool `[rows]`, the column holds no value.
        unreadable: bool `[rows]`, the column holds text that is no number.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    unreadable: NDArray[np.bool_]


@dataclass(frozen=True)
class Times:
    """A column as times: int64 microseconds since 1970 `[rows]`, 0 where `missing` (bool `[rows]`)."""

    microseconds: NDArray[np.int64]
    missing: NDArray[np.bool_]


def text_column(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as strings, empty where it holds none.

    Raises:
        DataError: the column holds neither strings nor whole numbers.
    """
    kind = column.type
    if not (_is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise DataError(f"column {name!r} holds {kind}; give strings or whole numbers")
    return pc.fill_null(pc.cast(column, pa.string()), "")


def time_column(name: str, column: pa.ChunkedArray, wrong: WrongTypes | None = None) -> Times:
    """The column as times; times with a zone become UTC, times without one are taken as UTC.

    Args:
        name: of the column.
        column: a whole column, or a piece of one where `wrong` counts over the pieces.
        wrong: where texts that are no times are counted, to be refused later; None: they are refused here.

    Raises:
        DataError: the column holds no timestamps, ISO 8601 text or whole microseconds.
    """
    kind = column.type
    wanted = "timestamps, ISO 8601 text or whole microseconds since 1970"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        column = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
    elif _is_text(kind):
        parsed = pd.to_datetime(column.to_pandas(), errors="coerce", utc=True)
        missing = parsed.isna().to_numpy()
        _count(wrong, name, column, missing, wanted)
        return Times(parsed.fillna(pd.Timestamp(0, tz="UTC")).astype("int64").to_numpy() // 1000, missing)
    elif pa.types.is_integer(kind):
        column = pc.cast(column, pa.int64(), safe=False)
    else:
        raise DataError(f"column {name!r} holds {kind}; give {wanted}")
    return Times(pc.fill_null(column, 0).to_numpy(), pc.is_null(column).to_numpy())


def number_column(name: str, column: pa.ChunkedArray, wrong: WrongTypes | None = None) -> Numbers:
    """The column as float64; text is read as numbers, true and false as 1 and 0.

    Args:
        name: of the column.
        column: a whole column, or a piece of one where `wrong` counts over the pieces.
        wrong: where texts that are no numbers are counted, to be refused later; None: they are refused here.

    Raises:
        DataError: the column holds another type, or text that mostly is no number.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return Numbers(np.zeros(len(column)), np.ones(len(column), bool), np.zeros(len(column), bool))
    if _is_text(kind):
        return _parsed_numbers(name, column, wrong)
    missing = pc.is_null(column).to_numpy()
    if pa.types.is_float16(kind):
        # Arrow casts no half floats; NumPy does.
        values = np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks])
        return Numbers(np.where(missing, 0, values.astype(np.float64)), missing, np.zeros(len(column), bool))
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        raise DataError(f"column {name!r} holds {kind}; give numbers, {LEAVE_OUT}")
    values = pc.fill_null(pc.cast(column, pa.float64(), safe=False), 0.0).to_numpy()
    return Numbers(values, missing, np.zeros(len(column), bool))


def _parsed_numbers(name: str, column: pa.ChunkedArray, wrong: WrongTypes | None) -> Numbers:
    text = column.to_pandas()
    missing = (text.isna() | text.isin(NULL_SPELLINGS)).to_numpy()
    lower = text.str.strip().str.lower()
    spelled = lower.replace(TRUTH_SPELLINGS)
    parsed = pd.to_numeric(spelled, errors="coerce").to_numpy(np.float64)
    # pandas says which texts are numbers; its quick parser may be off in the last digits, so NumPy reads them.
    readable = ~np.isnan(parsed)
    parsed[readable] = spelled[readable].to_numpy(str).astype(np.float64)
    unreadable = np.isnan(parsed) & ~missing & ~lower.isin(NAN_SPELLINGS).to_numpy()
    _count(wrong, name, column, unreadable, "numbers")
    return Numbers(np.where(missing | unreadable, 0.0, parsed), missing, unreadable)


def _count(wrong: WrongTypes | None, name: str, column: pa.ChunkedArray, bad: NDArray[np.bool_], wanted: str) -> None:
    counted = wrong or WrongTypes()
    counted.count(name, column, bad, wanted)
    if wrong is None:
        counted.refuse()


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
