"""Logs read in pieces, so that a file may be larger than the memory: Parquet, CSV and JSON lines."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.json
import pyarrow.parquet

from pipelines.log_columns import NULL_SPELLINGS
from pipelines.readers.read_logs import readable
from seriatim_errors import DataError

# Text in every file, whatever they look like: "007" is not 7, "2024-01-01" is no date, "NA" is a name.
IDENTIFIERS = {"request_id": pa.string(), "item_id": pa.string(), "user_id": pa.string()}
# In the order in which Arrow tries them on the values of a CSV column.
CSV_KINDS = (
    pa.null(), pa.int64(), pa.bool_(), pa.date32(), pa.time32("s"), pa.timestamp("s"), pa.timestamp("ns"),
    pa.float64(), pa.string(),
)  # fmt: skip
MISFIT = re.compile(r"CSV column #(\d+): .*CSV conversion error to [^:]*: invalid value '(.*)'", re.DOTALL)
ROWS_AT_ONCE, CSV_BYTES_AT_ONCE, JSON_BYTES_AT_ONCE = 1 << 16, 1 << 20, 1 << 24


class Piece(NamedTuple):
    """Some rows of one file.

    Attributes:
        table: the rows.
        malformed: lines among or behind them that are no row, as `(line number, text)`.
        discarded: events that became no row and no click, of `DISCARDED_SCHEMA`; None: none.
    """

    table: pa.Table
    malformed: list[tuple[int, str]]
    discarded: pa.Table | None = None


def parquet_pieces(path: Path) -> Iterator[Piece]:
    """The pieces of a Parquet file, or of a folder of them.

    Raises:
        DataError: the file is not Parquet.
    """
    with readable(path, "Parquet"):
        if path.is_dir():
            files = pa.dataset.dataset(str(path), format="parquet", partitioning="hive")
            schema = files.schema
            batches = files.to_batches(batch_size=ROWS_AT_ONCE, batch_readahead=1, fragment_readahead=1)
        else:
            file = pa.parquet.ParquetFile(path)
            schema = file.schema_arrow
            batches = file.iter_batches(ROWS_AT_ONCE)
        yield Piece(schema.empty_table(), [])
        for batch in batches:
            yield Piece(pa.Table.from_batches([batch]), [])


def csv_pieces(path: Path) -> Iterator[Piece | None]:
    """The pieces of a CSV file, plain or gzip; None says that all before it are void, for the file is read anew.

    Types are guessed from the first piece. Where a later value does not fit, the file is read again with the column
    as the next type that takes it, which is what reading all at once makes of it.

    Raises:
        DataError: the file is empty or is not UTF-8 text.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; give a CSV file with a header line and rows")
    kinds: dict[str, pa.DataType] = dict(IDENTIFIERS)
    blocks = schema = None
    with readable(path, "CSV"):
        while True:
            try:
                blocks, malformed = _open_csv(path, kinds)
                schema = blocks.schema
                yield Piece(blocks.schema.empty_table(), [])
                for batch in blocks:
                    yield Piece(pa.Table.from_batches([batch]), _taken(malformed))
                yield Piece(blocks.schema.empty_table(), _taken(malformed))
                return
            except pa.ArrowInvalid as error:
                found = MISFIT.search(str(error))
                if found is None or schema is None:
                    raise
                column = schema.field(int(found.group(1)))
                kind = kinds.get(column.name, column.type)
                if column.name in IDENTIFIERS or kind == CSV_KINDS[-1]:
                    raise
                kinds[column.name] = _looser(kind, found.group(2))
            finally:
                if blocks is not None:
                    blocks.close()
            yield None


def jsonl_pieces(path: Path) -> Iterator[Piece]:
    """The pieces of a file of JSON lines, plain or gzip; a piece has the columns that its own lines have.

    Raises:
        DataError: the file is empty or holds no JSON object at all.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; give one JSON object a line")
    before = rows = 0
    opener = gzip.open if path.suffix == ".gz" else open
    with readable(path, "JSON lines"), opener(path, "rb") as lines:
        for text in _whole_lines(lines):  # type: ignore[arg-type]
            piece = _json_piece(text, before)
            before += text.count(b"\n")
            rows += len(piece.table)
            yield piece
    if not rows:
        raise DataError(f"{path} holds no JSON object; give one object a line")


def _open_csv(path: Path, kinds: dict[str, pa.DataType]) -> tuple[pa.csv.CSVStreamingReader, list[tuple[int, str]]]:
    """The reader, and a list that grows by malformed lines as it reads."""
    malformed: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        malformed.append((row.number or 0, row.text))
        return "skip"

    blocks = pa.csv.open_csv(
        path,
        # One thread: with more, malformed lines have no numbers.
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=CSV_BYTES_AT_ONCE),
        parse_options=pa.csv.ParseOptions(invalid_row_handler=skip),
        convert_options=pa.csv.ConvertOptions(null_values=NULL_SPELLINGS, column_types=kinds),
    )
    return blocks, malformed


def _taken(malformed: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """What the list holds, which leaves it; Arrow reads ahead in a thread of its own and goes on adding to it."""
    so_far = len(malformed)
    taken = malformed[:so_far]
    del malformed[:so_far]
    return taken


def _looser(kind: pa.DataType, value: str) -> pa.DataType:
    """The first type behind `kind` that takes `value` by itself; whether it takes the others, reading will show."""
    options = pa.csv.ConvertOptions(null_values=NULL_SPELLINGS)
    cell = '"{}"'.format(value.replace('"', '""'))
    [guessed] = pa.csv.read_csv(io.BytesIO(f"value\n{cell}\n".encode()), convert_options=options).schema.types
    after = CSV_KINDS.index(kind) + 1
    return CSV_KINDS[max(after, CSV_KINDS.index(guessed))] if guessed in CSV_KINDS else CSV_KINDS[-1]


def _whole_lines(lines: IO[bytes]) -> Iterator[bytes]:
    while text := lines.read(JSON_BYTES_AT_ONCE):
        yield text + lines.readline()


def _json_piece(text: bytes, lines_before: int) -> Piece:
    options = pa.json.ParseOptions(explicit_schema=pa.schema(list(IDENTIFIERS.items())))
    try:
        table = pa.json.read_json(io.BytesIO(text), parse_options=options)
    except pa.ArrowInvalid:
        return _json_piece_by_line(text, lines_before)
    # The explicit schema adds columns that the lines do not have.
    return Piece(table.drop([name for name in IDENTIFIERS if table[name].null_count == len(table)]), [])


def _json_piece_by_line(text: bytes, lines_before: int) -> Piece:
    """Slower, for lines whose values change their type or which are not all objects."""
    rows: list[dict[str, Any]] = []
    malformed: list[tuple[int, str]] = []
    lines = io.StringIO(text.decode("utf-8", errors="replace"), newline=None)
    for number, line in enumerate(lines, start=lines_before + 1):
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
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Piece(pa.table({name: _column([row.get(name) for row in rows]) for name in names}), malformed)


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
