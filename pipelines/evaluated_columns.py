"""The columns that an evaluation slices and groups by must tell slices and groups: said before anything is trained."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from pipelines.config import EvaluationConfig
from pipelines.evaluation.exposure import SETTING
from pipelines.evaluation.slice_columns import require_column, sliced_by, values_of_requests
from pipelines.ingest import EVALUATION, PreparedLog


def require_evaluated_columns(settings: EvaluationConfig, log: PreparedLog) -> None:
    """Slice the evaluation requests of a prepared log, and group their items, as the evaluation will.

    Args:
        settings: `slices`, `item_groups` and `diversity`.
        log: whose file of evaluation requests holds each request's rows together.

    Raises:
        DataError: a column is unknown, differs within a request, or has too many values for a slice or group each.
    """
    for given in settings.slices:
        require_column(given.column, log.columns.names)
    for given in settings.item_groups:
        require_column(given.column, log.columns.candidate, SETTING, "item")
    for column in settings.diversity:
        require_column(column, log.columns.candidate, "evaluation.diversity", "item")
    columns = [given.column for given in (*settings.slices, *settings.item_groups)]
    if not columns:
        return
    table = pq.read_table(log.folder / f"{EVALUATION}.parquet", columns=["request_id", *dict.fromkeys(columns)])
    request_ids = table["request_id"].to_pandas().to_numpy(object)
    starts = np.flatnonzero(np.append(True, request_ids[1:] != request_ids[:-1]))
    offsets = np.append(starts, len(request_ids)).astype(np.int64)
    for given in settings.slices:
        values = table[given.column].to_numpy()
        sliced_by(given, values_of_requests(given.column, values, offsets, request_ids[starts]))
    for given in settings.item_groups:
        sliced_by(given, table[given.column].to_numpy(), SETTING)
