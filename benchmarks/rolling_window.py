"""What a day costs again in every window that it is in: finding, spreading and checking its rows, processor time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from benchmarks.harness import parse_options, report
from benchmarks.ingest_data import write_logs
from pipelines import ingest
from pipelines.config import DataConfig
from pipelines.spans_config import SpansConfig

NEEDS = {"minutes": 5, "least": 1, "small": ["--rows", "10000", "--window", "3"], "work": True}
TITLES = {
    "_fingerprint": "fingerprint of the files",
    "spool_files": "read and spread over buckets",
    "_prepared": "check, split, sort and write",
}
FIRST = date(2026, 1, 1)


def main() -> None:
    """Prepare a window of days once for each format, and tell what part of it the newest day alone would leave."""
    options = parse_options(
        "rolling_window",
        __doc__ or "",
        ("--rows", {"type": int, "default": 200_000, "help": "of a day"}),
        ("--window", {"type": int, "default": 7, "help": "days"}),
        ("--work", {"type": Path, "default": Path("/tmp/seriatim-rolling-window"), "help": "folder for the logs"}),
    )
    work, rows, window = options.extra.work, options.extra.rows, options.extra.window
    table: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    source = write_logs(rows, work)["parquet"]
    for kind in ("parquet", "csv"):
        logs = work / f"{kind}-{rows}"
        _write_days(source, kind, logs, window)
        data = DataConfig(path=logs / "{date}" / f"log.{kind}", spans=SpansConfig(window=window))
        seconds = step_seconds(data, work / "input")
        total = sum(seconds.values())
        for step, each in seconds.items():
            share = each / total
            table.append({"log": kind, "step": TITLES[step], "rows/s": rows * window / each, "share": share})
            figures[f"{kind}_{step.strip('_')}_share"] = share
        # A day kept in its buckets would leave finding it and checking it to be done.
        figures[f"{kind}_most_saved_share"] = seconds["spool_files"] / total * (window - 1) / window
    settings = {"rows_a_day": rows, "window": window}
    report(options, settings, figures, table)


def _write_days(source: Path, kind: str, folder: Path, days: int) -> None:
    """The same log for every day, with requests of its own."""
    for number in range(days):
        place = folder / (FIRST + timedelta(days=number)).isoformat()
        place.mkdir(parents=True, exist_ok=True)
        path, partial = place / f"log.{kind}", place / f".log.{kind}"
        if not path.exists():
            table = pa.parquet.read_table(source)
            names = pc.binary_join_element_wise(str(number), table["request_id"], "-")
            table = table.set_column(table.column_names.index("request_id"), "request_id", names)
            if kind == "parquet":
                pa.parquet.write_table(table, partial)
            else:
                pa.csv.write_csv(table, partial)
            partial.rename(path)


def step_seconds(data: DataConfig, root: Path) -> dict[str, float]:
    """Processor seconds of each step of preparing the window."""
    shutil.rmtree(root, ignore_errors=True)
    seconds: dict[str, float] = {}
    kept = {name: getattr(ingest, name) for name in TITLES}
    try:
        for name, step in kept.items():
            setattr(ingest, name, _timed(name, step, seconds))
        ingest.prepare_log(data, 0, root)
    finally:
        for name, step in kept.items():
            setattr(ingest, name, step)
    return seconds


def _timed(name: str, step: Callable[..., Any], seconds: dict[str, float]) -> Callable[..., Any]:
    def timed(*given: Any) -> Any:
        since = time.process_time()
        answer = step(*given)
        seconds[name] = time.process_time() - since
        return answer

    return timed


if __name__ == "__main__":
    main()
