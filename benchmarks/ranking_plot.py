"""Rankers on the simulated marketplace, by NDCG@10, as SVG."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.interval_lines import IntervalLine, interval_lines

LABEL = 320


def ranking_plot(rows: list[dict[str, Any]]) -> str:
    """A line for each ranker that is better than the base order, and one for that: NDCG@10 with its interval.

    Args:
        rows: of the benchmark `ranking`.
    """
    rows = [row for row in rows if row["set"] == "marketplace"]
    base = next(row["ndcg_at_10"] for row in rows if row["ranker"].startswith("base order"))
    lines = [_line(row) for row in rows if row["ndcg_at_10"] >= base]
    return interval_lines(
        "NDCG@10 of rankers on simulated users who want variety, from the best to the base order",
        "NDCG@10, with its interval; right: the same user's clicks in the first five",
        lines,
        LABEL,
    )


def _line(row: dict[str, Any]) -> IntervalLine:
    low, high = json.loads(row["ndcg_at_10 interval"])
    ours = row["ranker"].startswith("seq2slate")
    return IntervalLine("", row["ranker"], row["ndcg_at_10"], low, high, ours, f"{row['new clicks in 5']:.2f}")
