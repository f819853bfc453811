"""The files of a log, spread over buckets on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipelines.checked_logs.row_checks import decoded, require_columns
from pipelines.checked_logs.spooled_log import SpooledLog
from pipelines.click_log import NO_ROWS
from pipelines.config import DataConfig
from pipelines.readers import LogFiles, log_pieces
from pipelines.readers.read_logs import concatenate, require_same_columns
from seriatim_errors import DataError

TRAIN, EVALUATION = "train", "eval"
BUCKET_BYTES, MOST_WAITING = 1 << 26, 1 << 25
# What rows take in memory for a byte of their file, about; a wrong guess makes buckets smaller or larger.
TIMES_ON_DISK = {".parquet": 5, ".gz": 8}


def spool_files(files: LogFiles, data: DataConfig, spool: Path, bucket_bytes: int) -> dict[str, SpooledLog]:
    """Read the files of a log to disk, so that each bucket of requests can be checked by itself.

    Args:
        files: of the log.
        data: their format, the columns to ignore and what a click of an event log is.
        spool: folder, made for it; to be removed by the caller.
        bucket_bytes: about what a bucket's rows may take in memory.

    Returns:
        The log on disk, by the split that its files are of; `train` alone where the split is yet to be drawn.

    Raises:
        DataError: a file cannot be read, the log has no rows, or a column is missing or stands twice.
    """
    buckets = -(-_estimated_bytes(files.all) // bucket_bytes)
    splits = [TRAIN, EVALUATION] if files.evaluation else [TRAIN]
    logs = {
        split: SpooledLog(spool / split, buckets, data.ignore_columns, min(bucket_bytes, MOST_WAITING))
        for split in splits
    }
    # One call for both splits, so that sparse formats agree on the number of features.
    found = log_pieces(files.all, data.format, files.join(data))
    for number, (path, pieces) in enumerate(found):
        logs[TRAIN if number < len(files.train) else EVALUATION].add_file(path, pieces)
    require_same_columns([table for log in logs.values() for table in log.tables])
    for log in logs.values():
        log.close()
        columns = _without_columns(concatenate(log.tables).table, data.ignore_columns)
        if not log.rows:
            raise DataError(NO_ROWS)
        require_columns(decoded(columns).column_names)
    return logs


def _without_columns(table: pa.Table, ignored: Sequence[str]) -> pa.Table:
    """The table without the columns that are to be ignored.

    Raises:
        DataError: the table has no column of such a name.
    """
    for name in ignored:
        if name not in table.column_names:
            raise DataError(
                f"{name!r} is to be ignored but is no column of the click log "
                f"(found: {', '.join(table.column_names)}); correct its spelling"
            )
    return table.drop(list(ignored))


def _estimated_bytes(files: Sequence[Path]) -> int:
    """What the rows take in memory, by what is usual for files of their kind."""
    inside = [file for path in files for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return 1 + sum(file.stat().st_size * TIMES_ON_DISK.get(file.suffix, 2) for file in inside)
