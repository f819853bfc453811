"""`metrics/*.parquet` of a run: the metrics file's tables, for programs that would rather read columns."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.report.metrics_file import Metrics
from pipelines.report.metrics_tables import MetricsTable, metrics_tables
from seriatim_errors import DataError

TABLES_FOLDER = "metrics"
TYPES = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "boolean": pa.bool_()}


def write_tables(metrics: Metrics, run_folder: Path) -> Path:
    """Write `metrics/<table>.parquet` under `run_folder`, a file a table, and remove those of tables there are no more.

    Returns:
        The folder; of each table a reader sees the old one or the new one, never half of one.

    Raises:
        DataError: the files cannot be written there.
    """
    folder = run_folder / TABLES_FOLDER
    tables = metrics_tables(metrics)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            unfinished = folder / f"{name}.parquet.unfinished"
            pq.write_table(arrow_table(table), unfinished)
            os.replace(unfinished, folder / f"{name}.parquet")
        for path in folder.glob("*.parquet"):
            if path.stem not in tables:
                path.unlink()
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}); make the run's folder writable") from None
    return folder


def arrow_table(table: MetricsTable) -> pa.Table:
    """A table in Arrow, with its columns' types whatever values there are."""
    columns = {name: [row.get(name) for row in table.rows] for name in table.columns}
    return pa.table({name: pa.array(values, TYPES[table.columns[name]]) for name, values in columns.items()})
