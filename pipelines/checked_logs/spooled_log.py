"""A log of any size on disk, its rows spread over buckets by request, so that each bucket can be checked by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.checked_logs.bucket_files import BucketFiles
from pipelines.checked_logs.row_checks import ROW_COLUMN, decoded, require_columns
from pipelines.hashed_split import column_hash
from pipelines.log_columns import text_column
from pipelines.readers.pieces import Piece
from pipelines.readers.read_logs import ReadLog, Source, concatenate_tables, malformed_lines

# Of no use to anybody as the seed of a split, from which the buckets are to be independent.
BUCKET_SEED = 7_305_411_926


class SpooledLog:
    """Rows of one split as they came, numbered from 1 in `ROW_COLUMN` over all of its files.

    Args:
        folder: made for it; to be removed by the caller.
        buckets: over which requests are spread.
        ignored: columns that are left out.
        waiting_bytes: rows are spread when they take so much.

    Attributes:
        buckets: as given.
        sources: the files and their rows, in the order of the numbers. Rows that were read twice have two numbers, of
            which only the second is in use.
        tables: columns of every file as it came, without rows.
    """

    def __init__(self, folder: Path, buckets: int, ignored: Sequence[str], waiting_bytes: int) -> None:
        self.sources: list[Source] = []
        self.tables: list[ReadLog] = []
        self.buckets, self._ignored, self._most_waiting = buckets, ignored, waiting_bytes
        self._rows_on_disk = BucketFiles(folder / "rows")
        self._lines_on_disk = BucketFiles(folder / "lines")
        self._events_on_disk = BucketFiles(folder / "events")
        self._void: list[tuple[int, int]] = []
        self._schemas: list[pa.Schema] = []
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._current: pa.Schema | None = None
        self._generation, self._numbered = 0, 0

    def add_file(self, path: Path, pieces: Iterable[Piece | None]) -> None:
        """Read a file; its pieces are taken one after another, and are void where None follows them.

        Raises:
            DataError: the file cannot be read, or a column stands twice.
        """
        number, start, schemas = len(self.tables), self._numbered, len(self._schemas)
        seen: list[pa.Table] = []
        for piece in pieces:
            if piece is None:
                self._void.append((start, self._numbered))
                self.sources.append(Source(str(path), self._numbered - start))
                start = self._numbered
                self._lines_on_disk.drop(number)
                seen.clear()
                self._spread()
                del self._schemas[schemas:]
                continue
            if not seen or piece.table.schema != seen[-1].schema:
                seen.append(piece.table.schema.empty_table())
            self._add(piece.table)
            if piece.malformed:
                self._lines_on_disk.append(number, malformed_lines(path, piece.malformed))
            if piece.discarded is not None and len(piece.discarded):
                self._events_on_disk.append(number, piece.discarded)
        self.sources.append(Source(str(path), self._numbered - start))
        self.tables.append(ReadLog(concatenate_tables(seen), (self.sources[-1],)))

    def close(self) -> None:
        """All files are there."""
        self._spread()
        self._rows_on_disk.close()
        self._lines_on_disk.close()
        self._events_on_disk.close()

    @property
    def rows(self) -> int:
        """Rows that were read, void ones left out."""
        return self._numbered - sum(end - start for start, end in self._void)

    @property
    def numbered(self) -> int:
        """The highest number of a row."""
        return self._numbered

    def schema(self) -> pa.Schema:
        """Of all rows, when all files are there: a column has the type that takes what all files have of it."""
        fields = concatenate_tables([each.empty_table() for each in self._schemas]).schema
        return pa.schema([*fields, pa.field(ROW_COLUMN, pa.int64())])

    def parts(self, bucket: int, part_bytes: int) -> Iterator[pa.Table]:
        """The rows of a bucket in the order of the log, in parts of about `part_bytes`, all of the same schema."""
        schema = self.schema()
        part: list[pa.Table] = []
        held = 0
        for generation in range(self._generation + 1):
            for piece in self._rows_on_disk.pieces((bucket, generation)):
                for start, end in self._void:
                    numbers = piece[ROW_COLUMN].to_numpy()
                    piece = piece.filter(pa.array((numbers <= start) | (numbers > end)))
                if len(piece):
                    part.append(concatenate_tables([schema.empty_table(), piece]))
                    held += piece.nbytes
                if held > part_bytes:
                    yield pa.concat_tables(part).combine_chunks()
                    part.clear()
                    held = 0
        if part:
            yield pa.concat_tables(part).combine_chunks()

    def malformed(self) -> Iterator[pa.Table]:
        """Malformed lines in the order of the files, piece by piece."""
        for number in self._lines_on_disk.names():
            yield from self._lines_on_disk.pieces(number)

    def discarded(self) -> Iterator[pa.Table]:
        """Events that became no row and no click, in the order of the files, piece by piece."""
        for number in self._events_on_disk.names():
            yield from self._events_on_disk.pieces(number)

    def _add(self, table: pa.Table) -> None:
        if len(set(table.column_names)) < len(table.column_names):
            require_columns(table.column_names)
        table = decoded(table.drop([name for name in self._ignored if name in table.column_names]))
        if table.schema not in self._schemas:
            self._schemas.append(table.schema)
        if not len(table):
            return
        if table.schema != self._current:
            self._spread()
            self._current, self._generation = table.schema, self._generation + 1
        numbers = np.arange(self._numbered + 1, self._numbered + 1 + len(table))
        self._numbered += len(table)
        self._waiting.append(table.append_column(ROW_COLUMN, pa.array(numbers)))
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes > self._most_waiting:
            self._spread()

    def _spread(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting.clear()
        self._waiting_bytes = 0
        if self.buckets == 1:
            self._rows_on_disk.append((0, self._generation), table)
            return
        buckets = self._buckets_of(table)
        order = np.argsort(buckets, kind="stable")
        table, ends = table.take(pa.array(order)), np.cumsum(np.bincount(buckets, minlength=self.buckets))
        for bucket, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if end > start:
                self._rows_on_disk.append((bucket, self._generation), table.slice(start, end - start))

    def _buckets_of(self, table: pa.Table) -> NDArray[np.int64]:
        if "request_id" not in table.column_names:
            return np.zeros(len(table), np.int64)
        hashed = column_hash(text_column("request_id", table["request_id"]), BUCKET_SEED)
        return np.minimum((hashed * self.buckets).astype(np.int64), self.buckets - 1)
