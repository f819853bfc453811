"""What a reader returns: the rows, the lines that are no row at all, and the files they come from."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from seriatim_errors import DataError

MALFORMED_SCHEMA = pa.schema([("file", pa.string()), ("line", pa.int64()), ("text", pa.string())])

# Events that became no row and no click, with the folder that they lie in.
DISCARDED_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("event_id", pa.string()),
        ("time", pa.timestamp("us")),
        ("request_id", pa.string()),
        ("item_id", pa.string()),
        ("reason", pa.string()),
    ]
)


class Source(NamedTuple):
    """A file and the number of rows that were read from it."""

    file: str
    rows: int


@dataclass(frozen=True)
class ReadLog:
    """A log as read.

    Attributes:
        table: parsed rows with the source's columns.
        sources: the files, in the order of their rows in `table`.
        malformed: lines that could not be parsed: `file`, 1-based `line` (0 where unknown), `text`.
        discarded: events of an event log that are neither a row nor a click, of `DISCARDED_SCHEMA`.
    """

    table: pa.Table
    sources: tuple[Source, ...]
    malformed: pa.Table = field(default_factory=MALFORMED_SCHEMA.empty_table)
    discarded: pa.Table = field(default_factory=DISCARDED_SCHEMA.empty_table)


def read_from(path: Path, table: pa.Table, malformed: Sequence[tuple[int, str]] = ()) -> ReadLog:
    """The log of one file: its table and its malformed lines as `(line number, text)`."""
    return ReadLog(table, (Source(str(path), len(table)),), malformed_lines(path, malformed))


def malformed_lines(path: Path, malformed: Sequence[tuple[int, str]]) -> pa.Table:
    """Malformed lines `(line number, text)` of one file as a table of `MALFORMED_SCHEMA`."""
    columns = {
        "file": [str(path)] * len(malformed),
        "line": [number for number, _ in malformed],
        "text": [text for _, text in malformed],
    }
    return pa.table(columns, schema=MALFORMED_SCHEMA)


def concatenate(logs: Sequence[ReadLog]) -> ReadLog:
    """One log from several of the same columns, in any order of them.

    Raises:
        DataError: the logs differ in their columns.
    """
    require_same_columns(logs)
    return ReadLog(
        concatenate_tables([log.table for log in logs]),
        tuple(source for log in logs for source in log.sources),
        pa.concat_tables([log.malformed for log in logs]),
        pa.concat_tables([log.discarded for log in logs]),
    )


def require_same_columns(logs: Sequence[ReadLog]) -> None:
    """Refuse logs of different columns.

    Raises:
        DataError: a column stands in one log only; the message names it and both files.
    """
    first = logs[0]
    for other in logs[1:]:
        for have, lack in ((first, other), (other, first)):
            for name in have.table.column_names:
                if name not in lack.table.column_names:
                    raise DataError(
                        f"column {name!r} is in {have.sources[0].file} but not in {lack.sources[0].file}; "
                        "all files of a log need the same columns"
                    )


def concatenate_tables(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables; a column stored as different types becomes float64 where all are numbers, else text.

    Raises:
        DataError: a column stands twice in a table, and not all tables have it so.
    """
    if all(table.schema.equals(tables[0].schema) for table in tables):
        return pa.concat_tables(tables)
    for table in tables:
        for name in table.column_names:
            if table.column_names.count(name) > 1:
                raise DataError(f"column {name!r} stands twice; rename or remove one of the two")
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    for name in names:
        kinds = {table.schema.field(name).type for table in tables if name in table.column_names}
        kinds.discard(pa.null())
        if len(kinds) > 1:
            common = pa.float64() if all(map(_is_number, kinds)) else pa.string()
            tables = [_with_type(table, name, common) for table in tables]
    return pa.concat_tables(tables, promote=True)


@contextmanager
def readable(path: Path, kind: str) -> Iterator[None]:
    """Name the file in what goes wrong while it is read as `kind`.

    Raises:
        DataError: the file is torn, of another format, or the system refuses to read it.
    """
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a readable {kind} file: {reason}") from None


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _with_type(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    if name not in table.column_names or table.schema.field(name).type == pa.null():
        return table
    index = table.column_names.index(name)
    try:
        return table.set_column(index, name, pc.cast(table.column(index), kind, safe=False))
    except pa.ArrowNotImplementedError:
        text = [None if value is None else str(value) for value in table.column(index).to_pylist()]
        return table.set_column(index, name, pa.array(text, pa.string()))
