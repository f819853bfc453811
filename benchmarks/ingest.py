"""Rows a second and memory from a click log to training examples, beside per-row Beam and a plain group-by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet

from benchmarks.harness import ONE_THREAD, parse_options, report
from benchmarks.ingest_data import FEATURES, LIST_SIZE, write_logs

NEEDS = {"minutes": 15, "least": 2, "small": ["--rows", "20000"], "work": True}
TITLES = {
    "seriatim": "prepare_log and ClickLogExampleGen",
    "per_row_beam": "Beam in Python, a dictionary a row",
    "group_by": "pyarrow reads, pandas groups, nothing written",
}
GROWTH, BILLION = 10, 1e9


def main() -> None:
    """Measure every way on both formats, each in a process of its own, at a tenth of the rows and at all of them."""
    options = parse_options(
        "ingest",
        __doc__ or "",
        ("--rows", {"type": int, "default": 2_000_000, "help": "of the larger log"}),
        ("--work", {"type": Path, "default": Path("/tmp/seriatim-ingest"), "help": "folder for logs and outputs"}),
    )
    work: Path = options.extra.work
    large: int = options.extra.rows
    small = large // GROWTH
    logs = {rows: write_logs(rows, work) for rows in (small, large)}
    table: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    for kind in ("parquet", "csv"):
        found = {
            (way, rows): _measured(way, logs[rows][kind], work / "out")
            for rows in (small, large)
            for way in TITLES
            # Keeps all rows in memory, as dictionaries: its rate is that of the smaller log.
            if not (way == "per_row_beam" and rows == large)
        }
        rival = found["per_row_beam", small]
        for (way, rows), each in found.items():
            table.append(
                {
                    "log": kind,
                    "rows": rows,
                    "way": TITLES[way],
                    "rows/s": rows / each["seconds"],
                    "rows/s of processor time": rows / each["cpu_seconds"],
                    "times per-row Beam": _ratio(rival, small, each, rows, "seconds"),
                    "times per-row Beam, processor time": _ratio(rival, small, each, rows, "cpu_seconds"),
                    "peak MiB": each["peak_mib"],
                }
            )
        ours = found["seriatim", large]
        figures |= {
            f"rows_per_second_{kind}": large / ours["seconds"],
            f"times_per_row_beam_{kind}": _ratio(rival, small, ours, large, "seconds"),
            f"times_per_row_beam_processor_time_{kind}": _ratio(rival, small, ours, large, "cpu_seconds"),
            f"times_per_row_beam_same_rows_{kind}": _ratio(
                rival, small, found["seriatim", small], small, "cpu_seconds"
            ),
            f"floor_times_faster_{kind}": _ratio(ours, large, found["group_by", large], large, "seconds"),
            f"peak_mib_{kind}_small": found["seriatim", small]["peak_mib"],
            f"peak_mib_{kind}_large": ours["peak_mib"],
            f"prepare_share_{kind}": ours["prepare_seconds"] / ours["seconds"],
            f"microseconds_of_processor_a_row_{kind}": 1e6 * ours["cpu_seconds"] / large,
            f"core_hours_a_billion_rows_{kind}": ours["cpu_seconds"] / large * BILLION / 3600,
        }
    figures |= {
        "source_bytes_a_row_parquet": logs[large]["parquet"].stat().st_size / large,
        "source_bytes_a_row_csv": logs[large]["csv"].stat().st_size / large,
        "spool_bytes_a_row": _spool_bytes_a_row(logs[large]["parquet"]),
        "prepared_bytes_a_row": ours["prepared_bytes"] / large,
        "examples_bytes_a_row": ours["written_bytes"] / large,
    }
    settings = {"rows a request": LIST_SIZE, "features": len(FEATURES), "rows": large, "per-row Beam at rows": small}
    report(options, settings, figures, table)


def _measured(way: str, log: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingest_job", way, str(log), str(out)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ONE_THREAD)
    if finished.returncode:
        raise SystemExit(f"{way} of {log.name} failed: {finished.stderr.strip()[-2000:]}")
    measured: dict[str, float] = json.loads(finished.stdout)
    return measured


def _ratio(slow: dict[str, float], slow_rows: int, fast: dict[str, float], fast_rows: int, by: str) -> float:
    """How many times as many rows a second the second makes."""
    return (slow[by] / slow_rows) / (fast[by] / fast_rows)


def _spool_bytes_a_row(log: Path) -> float:
    """Of the buckets on disk: the rows in memory, and each row's number."""
    batch = next(pyarrow.parquet.ParquetFile(log).iter_batches())
    return float(batch.nbytes / len(batch) + 8)


if __name__ == "__main__":
    main()
