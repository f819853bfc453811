"""Parquet, CSV and JSON lines, each file as one table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from pipelines.readers.pieces import Piece, csv_pieces, jsonl_pieces
from pipelines.readers.read_logs import ReadLog, concatenate_tables, read_from, readable


def read_parquet(path: Path) -> ReadLog:
    """Read a Parquet file, or a folder of them as one table.

    Raises:
        DataError: the file is not Parquet.
    """
    with readable(path, "Parquet"):
        return read_from(path, pa.parquet.read_table(path))


def read_csv(path: Path) -> ReadLog:
    """Read a CSV file with a header line, plain or gzip; lines of another width are returned as malformed.

    Empty fields, NA, N/A, null and NULL are missing values; nan and inf are numbers gone wrong. A column whose
    type changes on the way is read as the type that takes all of its values, text in the end, for validation to tell
    good values from bad. Line numbers of malformed lines skip empty lines.

    Raises:
        DataError: the file is empty or is not UTF-8 text.
    """
    return _joined(path, csv_pieces(path))


def read_jsonl(path: Path) -> ReadLog:
    """Read JSON lines, plain or gzip; lines that are no JSON object are returned as malformed.

    Raises:
        DataError: the file is empty or holds no JSON object at all.
    """
    return _joined(path, jsonl_pieces(path))


def _joined(path: Path, pieces: Iterable[Piece | None]) -> ReadLog:
    found: list[Piece] = []
    for piece in pieces:
        if piece is None:
            found.clear()
        else:
            found.append(piece)
    malformed = [line for piece in found for line in piece.malformed]
    return read_from(path, concatenate_tables([piece.table for piece in found]), malformed)
