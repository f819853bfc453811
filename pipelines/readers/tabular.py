"""Parquet, CSV and JSON lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from pipelines.readers.malformed import ReadLog, malformed_lines
from seriatim_errors import DataError


def read_parquet(path: Path) -> ReadLog:
    """Read a Parquet file.

    Raises:
        DataError: the file is not Parquet.
    """
    try:
        return ReadLog(pa.parquet.read_table(path))
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}") from None


def read_csv(path: Path) -> ReadLog:
    """Read a CSV file with a header line, plain or gzip; lines of another width are returned as malformed.

    Raises:
        DataError: the file is empty or is not UTF-8 text.
    """
    bad: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        bad.append((row.number or 0, row.text))
        return "skip"

    parse = pa.csv.ParseOptions(invalid_row_handler=skip)
    # One thread keeps line numbers; types are guessed from the first block, so a later surprise means text.
    read = pa.csv.ReadOptions(use_threads=False)
    try:
        try:
            convert = pa.csv.ConvertOptions(strings_can_be_null=True)
            table = pa.csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error).lower():
                raise
            bad.clear()
            with pa.csv.open_csv(path, read_options=read, parse_options=parse) as reader:
                names = reader.schema.names
            bad.clear()
            convert = pa.csv.ConvertOptions(
                strings_can_be_null=True, column_types={name: pa.string() for name in names}
            )
            table = pa.csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        if "empty" in str(error).lower():
            raise DataError(f"{path} is empty; give a CSV file with a header line and rows") from None
        raise DataError(f"{path} is not a readable CSV file: {error}") from None
    return ReadLog(table, malformed_lines(str(path), bad))


def read_jsonl(path: Path) -> ReadLog:
    """Read JSON lines, plain or gzip; lines that are no JSON object are returned as malformed.

    Raises:
        DataError: the file is empty or holds no JSON object at all.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; give one JSON object a line")
    try:
        return ReadLog(pa.json.read_json(path))
    except pa.ArrowInvalid:
        return _read_jsonl_by_line(path)


def _read_jsonl_by_line(path: Path) -> ReadLog:
    rows: list[dict[str, Any]] = []
    bad: list[tuple[int, str]] = []
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if isinstance(row, dict):
                rows.append(row)
            else:
                bad.append((number, line.rstrip("\n")))
    if not rows:
        raise DataError(f"{path} holds no JSON object; give one object a line")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    return ReadLog(pa.table(columns), malformed_lines(str(path), bad))


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
