"""One split of a prepared log: a Parquet file whose row groups hold whole requests, sorted by position."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from pipelines.checked_logs.piecewise_validation import codes_of

REQUESTS_PER_ROW_GROUP = 512


class PreparedSplit:
    """A file that grows by requests.

    Attributes:
        requests, rows, clicks: what was added so far.
        labels: which of `clicked` and `grade` the rows have.
    """

    def __init__(self, path: Path) -> None:
        self.requests = self.rows = self.clicks = 0
        self._path = path
        self._writer: pa.parquet.ParquetWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Add all rows of some requests, in the order of their first rows, each sorted by position."""
        if not len(table):
            return
        codes = codes_of(table["request_id"])
        order = np.lexsort((table["position"].to_numpy(), codes))
        table, codes = table.take(pa.array(order)).combine_chunks(), codes[order]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        self.requests += len(starts)
        self.rows += len(table)
        self.clicks += pc.sum(table["clicked"]).as_py() if "clicked" in table.column_names else 0
        if self._writer is None:
            # Dictionaries of numbers take longer to build than they save.
            text = [field.name for field in table.schema if pa.types.is_string(field.type)]
            self._writer = pa.parquet.ParquetWriter(self._path, table.schema, use_dictionary=text)
        bounds = [*starts[::REQUESTS_PER_ROW_GROUP].tolist(), len(table)]
        for start, end in itertools.pairwise(bounds):
            self._writer.write_table(table.slice(start, end - start), row_group_size=end - start)

    def finish(self) -> None:
        """All requests are there."""
        if self._writer is not None:
            self._writer.close()
