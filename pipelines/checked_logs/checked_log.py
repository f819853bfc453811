"""A spooled log checked bucket by bucket, with its bad rows on disk in the order of the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.checked_logs.bucket_files import BucketFiles
from pipelines.checked_logs.piecewise_validation import PiecewiseValidation
from pipelines.checked_logs.quarantine import (
    DISCARDED_FILE,
    MALFORMED_FILE,
    MALFORMED_REASON,
    QUARANTINE_FILE,
    total_by_name,
    with_files,
    write_pieces,
)
from pipelines.checked_logs.row_checks import REASON_COLUMN, ROW_COLUMN
from pipelines.checked_logs.spooled_log import SpooledLog
from pipelines.log_columns import WrongTypes
from pipelines.readers.read_logs import DISCARDED_SCHEMA, MALFORMED_SCHEMA, concatenate_tables

# Bad rows are put in order in this many stretches of the log, or in stretches of this many rows.
STRETCHES, LEAST_ROWS = 500, 1 << 16


def write_bad_rows(checked: Iterable[CheckedLog], folder: Path) -> dict[str, int]:
    """Write what is wrong with logs whose buckets were all asked for; files of an earlier validation are replaced.

    Args:
        checked: the splits of a log.
        folder: where `quarantine.parquet` (bad rows as they came, with `quarantine_file`, `quarantine_row` in that file
            and `quarantine_reason`) and `malformed.parquet` (file, line, text) go; a file that would have no row
            is not written.

    Returns:
        The number of bad rows by reason.
    """
    logs = list(checked)
    schema = concatenate_tables([log.bad_schema.empty_table() for log in logs]).schema
    write_pieces(chain.from_iterable(log.bad_pieces() for log in logs), schema, folder / QUARANTINE_FILE)
    malformed = chain.from_iterable(log.malformed() for log in logs)
    lines = write_pieces(malformed, MALFORMED_SCHEMA, folder / MALFORMED_FILE)
    counts = total_by_name([dict(sorted(log.reasons.items())) for log in logs])
    return counts | ({MALFORMED_REASON: lines} if lines else {})


def write_discarded(checked: Iterable[CheckedLog], folder: Path) -> dict[str, int]:
    """Write the events that became no row and no click to `discarded.parquet` in `folder`; none: no file.

    Returns:
        Their number by reason.
    """
    counts: Counter[str] = Counter()

    def counted() -> Iterator[pa.Table]:
        for log in checked:
            for events in log.discarded():
                counts.update(events["reason"].to_pylist())
                yield events

    write_pieces(counted(), DISCARDED_SCHEMA, folder / DISCARDED_FILE)
    return dict(sorted(counts.items()))


class CheckedLog:
    """Validation of one split.

    Args:
        log: all of its rows.
        folder: made for the bad rows; to be removed by the caller.
        max_request_rows: of a request only so many rows are kept.
        part_bytes: a bucket that is larger is checked in parts of about so many bytes.

    Attributes:
        reasons: number of bad rows so far by reason.
        defaulted: number of nulls in good rows so far that became 0, by feature.
    """

    def __init__(self, log: SpooledLog, folder: Path, max_request_rows: int, part_bytes: int) -> None:
        self.reasons: Counter[str] = Counter()
        self.defaulted: Counter[str] = Counter()
        self._log, self._max_request_rows, self._part_bytes = log, max_request_rows, part_bytes
        self._wrong = WrongTypes()
        self._bad = BucketFiles(folder)
        self._stretch = max(LEAST_ROWS, log.numbered // STRETCHES + 1)

    def bucket(self, number: int) -> pa.Table | None:
        """The good rows of a bucket in the contract's types, in log order, with their numbers in `ROW_COLUMN`.

        None for a bucket without rows.
        """
        validation = PiecewiseValidation(self._wrong, self._max_request_rows)
        empty = True
        for part in self._log.parts(number, self._part_bytes):
            empty = False
            validation.add(part)
            self._set_aside(validation.take_bad())
        if empty:
            return None
        good, numbers, defaulted = validation.finish()
        self._set_aside(validation.take_bad())
        self.reasons.update(validation.reasons)
        self.defaulted.update(defaulted)
        return good.append_column(ROW_COLUMN, numbers)

    def finish(self) -> None:
        """All buckets were asked for.

        Raises:
            DataError: most values of a column are not what it is to hold.
        """
        self._wrong.refuse()
        self._bad.close()

    @property
    def bad_schema(self) -> pa.Schema:
        """Of the bad rows."""
        numbered = pa.schema([*self._log.schema(), pa.field(REASON_COLUMN, pa.string())]).empty_table()
        return with_files(numbered, self._log.sources).schema

    def bad_pieces(self) -> Iterator[pa.Table]:
        """Bad rows as they came, with file, row and reason, in the order of the log."""
        for stretch in self._bad.names():
            rows = pa.concat_tables(self._bad.pieces(stretch))
            yield with_files(rows.take(pc.sort_indices(rows[ROW_COLUMN])), self._log.sources)

    def malformed(self) -> Iterator[pa.Table]:
        """Malformed lines in the order of the files, piece by piece."""
        return self._log.malformed()

    def discarded(self) -> Iterator[pa.Table]:
        """Events that became no row and no click, in the order of the files, piece by piece."""
        return self._log.discarded()

    def _set_aside(self, bad: list[pa.Table]) -> None:
        for table in bad:
            stretches = table[ROW_COLUMN].to_numpy() // self._stretch
            for stretch in np.unique(stretches).tolist():
                self._bad.append(stretch, table.filter(pa.array(stretches == stretch)))
