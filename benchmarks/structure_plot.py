"""Test accuracy of searched and unsearched networks, budget by budget, as SVG."""

from __future__ import annotations

from typing import Any

from benchmarks.interval_lines import IntervalLine, accuracy_line, interval_lines


def structure_plot(rows: list[dict[str, Any]]) -> str:
    """A line for each method and budget: its accuracy, two standard errors to both sides, and what is left of the time.

    Args:
        rows: of the benchmark `structure_search`.
    """
    return interval_lines(
        "Test accuracy of networks of equal cost: searched, uniformly narrower, and of random widths",
        "test accuracy, %, with two standard errors; right: time left",
        [_line(row) for row in rows],
    )


def _line(row: dict[str, Any]) -> IntervalLine:
    note = "" if row["time left"] == "" else f"{row['time left']:.0%}"
    return accuracy_line(row, row["budget"], row["method"].startswith(("FiGS", "MorphNet")), note)
