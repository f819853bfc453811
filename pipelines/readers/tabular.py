"""Parquet, CSV and JSON lines."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from pipelines.log_columns import NULL_SPELLINGS
from pipelines.readers.read_logs import ReadLog, read_from, readable
from seriatim_errors import DataError

# Text in every file, whatever they look like: "007" is not 7, "2024-01-01" is no date, "NA" is a name.
IDENTIFIERS = {"request_id": pa.string(), "item_id": pa.string(), "user_id": pa.string()}


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
    type changes on the way is read as text, for validation to tell good values from bad. Line numbers of
    malformed lines skip empty lines.

    Raises:
        DataError: the file is empty or is not UTF-8 text.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; give a CSV file with a header line and rows")
    malformed: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        malformed.append((row.number or 0, row.text))
        return "skip"

    parse = pa.csv.ParseOptions(invalid_row_handler=skip)
    # One thread: with more, malformed lines have no numbers.
    read = pa.csv.ReadOptions(use_threads=False)
    kinds = dict(IDENTIFIERS)
    with readable(path, "CSV"):
        while True:
            malformed.clear()
            convert = pa.csv.ConvertOptions(null_values=NULL_SPELLINGS, column_types=kinds)
            try:
                table = pa.csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
                return read_from(path, table, malformed)
            except pa.ArrowInvalid as error:
                # Types are guessed from the first block; a later value that does not fit makes the column text.
                found = re.search(r"CSV column #(\d+): CSV conversion error", str(error))
                if found is None:
                    raise
                with pa.csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as blocks:
                    name = blocks.schema.names[int(found.group(1))]
                if name in kinds:
                    raise
                kinds[name] = pa.string()


def read_jsonl(path: Path) -> ReadLog:
    """Read JSON lines, plain or gzip; lines that are no JSON object are returned as malformed.

    Raises:
        DataError: the file is empty or holds no JSON object at all.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; give one JSON object a line")
    options = pa.json.ParseOptions(explicit_schema=pa.schema(list(IDENTIFIERS.items())))
    with readable(path, "JSON lines"):
        try:
            table = pa.json.read_json(path, parse_options=options)
        except pa.ArrowInvalid:
            return _read_jsonl_by_line(path)
        # The explicit schema adds columns that the file does not have.
        absent = [name for name in IDENTIFIERS if table[name].null_count == len(table)]
        return read_from(path, table.drop(absent))


def _read_jsonl_by_line(path: Path) -> ReadLog:
    """Slower, for files whose columns change their type or whose lines are not all objects."""
    rows: list[dict[str, Any]] = []
    malformed: list[tuple[int, str]] = []
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as lines:
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
                malformed.append((number, line.rstrip("\n")))
    if not rows:
        raise DataError(f"{path} holds no JSON object; give one object a line")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    return read_from(path, pa.table(columns), malformed)


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
