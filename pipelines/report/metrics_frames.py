"""Metrics of one or many runs as pandas tables, for notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# What holds null in pandas, and keeps its type where there is none.
DTYPES = {"string": "string", "int64": "Int64", "float64": "float64", "boolean": "boolean"}


def load_metrics(*runs: str | Path, folder: str | Path = "runs") -> dict[str, pd.DataFrame]:
    """Everything in the metrics files of one or many runs, a pandas table a part of the file.

    The tables and their columns are those of `docs/metrics.md`, with the run's name as first column `run`. They are
    made from `metrics.json`, so runs of any age can be read; a part that no run has is an empty table with its columns.

    Args:
        runs: names of runs under `folder`, their folders, or paths of metrics files; without any: the newest run.
        folder: of runs.

    Returns:
        By the table's name its rows, those of the runs one after the other in the order given. Dtypes are `string`,
        `Int64`, `float64` and `boolean`.

    Raises:
        DataError: a run does not exist, is named twice, or its metrics file has a wrong field.
    """
    # The import of this package stays light.
    import pandas as pd

    from pipelines.report.metrics_file import METRICS_FILE, read_metrics
    from pipelines.report.metrics_tables import metrics_tables, table_columns
    from pipelines.report.run_folders import find_run, find_runs

    found = find_runs(runs or [find_run(None, Path(folder))], Path(folder))
    tables = {name: metrics_tables(read_metrics(run / METRICS_FILE)) for name, run in found.items()}
    frames = {}
    for table, columns in table_columns().items():
        rows = [(name, row) for name, made in tables.items() for row in made[table].rows]
        series = {"run": pd.Series([name for name, _ in rows], dtype="string")}
        for column, kind in columns.items():
            series[column] = pd.Series([row.get(column) for _, row in rows], dtype=DTYPES[kind])
        frames[table] = pd.DataFrame(series)
    return frames
