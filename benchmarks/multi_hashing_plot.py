"""Test accuracy of networks of as many variables, size by size, as SVG."""

from __future__ import annotations

from typing import Any

from benchmarks.interval_lines import accuracy_line, interval_lines


def multi_hashing_plot(rows: list[dict[str, Any]]) -> str:
    """A line for each size and method: its accuracy, two standard errors to both sides.

    Args:
        rows: of the benchmark `multi_hashing`.
    """
    return interval_lines(
        "Test accuracy of networks of as many variables: structured multi-hashing, narrower ones and plain hashing",
        "test accuracy, %, with two standard errors; right: variables",
        [accuracy_line(row, row["size"], row["method"].startswith("structured"), _thousands(row)) for row in rows],
    )


def _thousands(row: dict[str, Any]) -> str:
    return f"{row['variables'] / 1000:.0f}k"
