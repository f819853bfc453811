"""Reward by day of the three arms of a simulated week, where tastes move, as SVG."""

from __future__ import annotations

from typing import Any

from pipelines.closed_loop.chart import COLOURS, TITLES, reward_chart


def clicks_plot(rows: list[dict[str, Any]]) -> str:
    """Clicks a request; `rows` are those of the benchmark `closed_loop`."""
    return _plot(rows, "clicks")


def wanted_plot(rows: list[dict[str, Any]]) -> str:
    """Wanted items in a slate; `rows` are those of the benchmark `closed_loop`."""
    return _plot(rows, "wanted")


def _plot(rows: list[dict[str, Any]], reward: str) -> str:
    most = max(row["drift"] for row in rows)
    chosen = [row for row in rows if row["drift"] == most and row["arm"] in COLOURS]
    series = {
        arm: [
            (row["day"], row[reward], row[f"{reward} low"], row[f"{reward} high"])
            for row in chosen
            if row["arm"] == arm
        ]
        for arm in dict.fromkeys(row["arm"] for row in chosen)
    }
    return reward_chart(series, TITLES[reward])
