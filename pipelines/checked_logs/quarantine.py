"""Bad rows and malformed lines, kept as they came with where they stand and why they are bad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from pipelines.click_log import QUARANTINE_PREFIX, ROW_COLUMN
from pipelines.readers.read_logs import Source, concatenate_tables

FILE_COLUMN = f"{QUARANTINE_PREFIX}file"
QUARANTINE_FILE = "quarantine.parquet"
MALFORMED_FILE = "malformed.parquet"
DISCARDED_FILE = "discarded.parquet"
QUARANTINE_FILES = (QUARANTINE_FILE, MALFORMED_FILE, DISCARDED_FILE)
MALFORMED_REASON = "the line is malformed"


def write_pieces(pieces: Iterable[pa.Table], schema: pa.Schema, path: Path) -> int:
    """Write rows piece by piece, in the types of `schema`, and count them; a file without a row is not written."""
    path.unlink(missing_ok=True)
    rows = 0
    with ExitStack() as opened:
        writer = None
        for piece in pieces:
            if len(piece):
                writer = writer or opened.enter_context(pa.parquet.ParquetWriter(path, schema))
                writer.write_table(concatenate_tables([schema.empty_table(), piece]))
                rows += len(piece)
    return rows


def total_by_name(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """The sum of several counts by name, names in the order of their first count."""
    names = dict.fromkeys(name for count in counts for name in count)
    return {name: sum(count.get(name, 0) for count in counts) for name in names}


def with_files(quarantine: pa.Table, sources: Sequence[Source]) -> pa.Table:
    """Row numbers of the whole log become the file and the row in it."""
    rows = quarantine[ROW_COLUMN].to_numpy()
    ends = np.cumsum([source.rows for source in sources])
    index = np.searchsorted(ends, rows, side="left")
    files = np.array([source.file for source in sources], dtype=object)[index]
    starts = np.concatenate([[0], ends])[index]
    position = quarantine.column_names.index(ROW_COLUMN)
    return quarantine.set_column(position, ROW_COLUMN, pa.array(rows - starts, pa.int64())).add_column(
        position, FILE_COLUMN, pa.array(files, pa.string())
    )
