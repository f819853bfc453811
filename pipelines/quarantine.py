"""Bad rows and malformed lines, kept as they came with where they stand and why they are bad."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from pipelines.click_log import QUARANTINE_PREFIX, ROW_COLUMN, ValidatedLog
from pipelines.readers.read_logs import ReadLog, concatenate_tables

FILE_COLUMN = f"{QUARANTINE_PREFIX}file"
QUARANTINE_FILE = "quarantine.parquet"
MALFORMED_FILE = "malformed.parquet"
MALFORMED_REASON = "the line is malformed"


def write_quarantine(validated: Sequence[ValidatedLog], logs: Sequence[ReadLog], folder: Path) -> dict[str, int]:
    """Write bad rows and malformed lines to `folder`; files of an earlier validation there are replaced.

    Args:
        validated: results of validation.
        logs: what each was validated from; gives the files in which the bad rows stand.
        folder: where `quarantine.parquet` (bad rows as they came, with `quarantine_file`, `quarantine_row` in
            that file and `quarantine_reason`) and `malformed.parquet` (file, line, text) go; a file that would
            have no row is not written.

    Returns:
        The number of bad rows by reason.
    """
    counts = total_by_name([log.reasons for log in validated])
    bad = [_with_files(result.quarantine, log) for result, log in zip(validated, logs, strict=True)]
    lines = pa.concat_tables([log.malformed for log in logs])
    if len(lines):
        counts[MALFORMED_REASON] = len(lines)
    for name, table in ((QUARANTINE_FILE, concatenate_tables(bad)), (MALFORMED_FILE, lines)):
        (folder / name).unlink(missing_ok=True)
        if len(table):
            pa.parquet.write_table(table, folder / name)
    return counts


def total_by_name(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """The sum of several counts by name, names in the order of their first count."""
    names = dict.fromkeys(name for count in counts for name in count)
    return {name: sum(count.get(name, 0) for count in counts) for name in names}


def _with_files(quarantine: pa.Table, log: ReadLog) -> pa.Table:
    """Row numbers of the whole log become the file and the row in it."""
    rows = quarantine[ROW_COLUMN].to_numpy()
    ends = np.cumsum([source.rows for source in log.sources])
    index = np.searchsorted(ends, rows, side="left")
    files = np.array([source.file for source in log.sources], dtype=object)[index]
    starts = np.concatenate([[0], ends])[index]
    position = quarantine.column_names.index(ROW_COLUMN)
    return quarantine.set_column(position, ROW_COLUMN, pa.array(rows - starts, pa.int64())).add_column(
        position, FILE_COLUMN, pa.array(files, pa.string())
    )
