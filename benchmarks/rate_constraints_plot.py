"""Areas under precision at high recalls, data set by data set, as SVG."""

from __future__ import annotations

from typing import Any

from benchmarks.interval_lines import IntervalLine, interval_lines

OURS = ("quantile", "implicit")


def rate_constraints_plot(rows: list[dict[str, Any]]) -> str:
    """A line for each data set and method: the mean area over splits with its 95 % interval, and the recall kept.

    Args:
        rows: of the benchmark `rate_constraints`.
    """
    return interval_lines(
        "Area under precision for recalls of 95 to 100 %, by data set and method",
        "area under precision at recalls of 95 to 100 %, ± 95 % interval; right: recall on test, %",
        [_line(row) for row in rows],
    )


def _line(row: dict[str, Any]) -> IntervalLine:
    value, half = map(float, row["PR-AUC [0.95, 1]"].split(" ± "))
    name = f"{row['set']}: {row['method']}"
    kept = row["recall on test"].split(" ± ")[0]
    return IntervalLine(row["set"], name, value, value - half, value + half, row["method"].startswith(OURS), kept)
