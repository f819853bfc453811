"""What a reader returns: the table, and the lines that are no row at all."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

SCHEMA = pa.schema([("file", pa.string()), ("line", pa.int64()), ("text", pa.string())])


@dataclass(frozen=True)
class ReadLog:
    """A log as read.

    Attributes:
        table: parsed rows with the source's columns.
        malformed: lines that could not be parsed: `file`, 1-based `line`, `text`.
    """

    table: pa.Table
    malformed: pa.Table = field(default_factory=SCHEMA.empty_table)


def malformed_lines(file: str, lines: list[tuple[int, str]]) -> pa.Table:
    """The table of malformed lines from `(line number, text)` pairs."""
    return pa.table(
        {"file": [file] * len(lines), "line": [n for n, _ in lines], "text": [text for _, text in lines]},
        schema=SCHEMA,
    )
