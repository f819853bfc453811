"""The columns that an evaluation slices by must tell slices: said before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq

from pipelines.evaluation.slice_columns import require_column, sliced_by, values_of_requests
from pipelines.ingest import EVALUATION, PreparedLog
from pipelines.slices_config import SliceConfig


def require_slices(slices: Sequence[SliceConfig], log: PreparedLog) -> None:
    """Slice the evaluation requests of a prepared log as its evaluation will.

    Args:
        slices: `evaluation.slices`.
        log: whose file of evaluation requests holds each request's rows together.

    Raises:
        DataError: a column is unknown, differs within a request, or has too many values for a slice each.
    """
    for given in slices:
        require_column(given.column, log.columns.names)
    if not slices:
        return
    table = pq.read_table(log.folder / f"{EVALUATION}.parquet", columns=["request_id", *(s.column for s in slices)])
    request_ids = table["request_id"].to_pandas().to_numpy(object)
    starts = np.flatnonzero(np.append(True, request_ids[1:] != request_ids[:-1]))
    offsets = np.append(starts, len(request_ids)).astype(np.int64)
    for given in slices:
        values = table[given.column].to_numpy()
        sliced_by(given, values_of_requests(given.column, values, offsets, request_ids[starts]))
