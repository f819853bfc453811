"""Test accuracy of searched and unsearched networks, budget by budget, as SVG."""

from __future__ import annotations

from html import escape
from typing import Any

from pipelines.report.plots.scale import scale_for

WIDTH, LABEL, MARGIN, TOP, LINE, GAP = 760, 250, 90, 40, 22, 14
SEARCHED, OTHER, GRID = "#2b6cb0", "#718096", "#e2e8f0"


def structure_plot(rows: list[dict[str, Any]]) -> str:
    """A line for each method and budget: its accuracy, two standard errors to both sides, and what is left of the time.

    Args:
        rows: of the benchmark `structure_search`.
    """
    errors = [2 * row["standard error"] if row["standard error"] != "" else 0.0 for row in rows]
    values = [row["test accuracy"] for row in rows]
    ends = [end for value, error in zip(values, errors, strict=True) for end in (value - error, value + error)]
    across = scale_for([100 * end for end in ends], LABEL, WIDTH - MARGIN)
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    height = TOP + LINE * len(rows) + GAP * len(budgets) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#2d3748">',
        "<title>Test accuracy of networks of equal cost: searched, uniformly narrower, and of random widths</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LABEL}" y="14">test accuracy, %, with two standard errors; right: time left</text>',
    ]
    for place, text in across.ticks():
        parts.append(f'<line x1="{place}" x2="{place}" y1="{TOP - 6}" y2="{height - 8}" stroke="{GRID}"/>')
        parts.append(f'<text x="{place}" y="{TOP - 10}" text-anchor="middle">{text}</text>')
    y = TOP
    for number, (row, error) in enumerate(zip(rows, errors, strict=True)):
        y += GAP if number == 0 or row["budget"] != rows[number - 1]["budget"] else 0
        colour = SEARCHED if row["method"].startswith(("FiGS", "MorphNet")) else OTHER
        middle = across(100 * row["test accuracy"])
        low, high = (across(100 * (row["test accuracy"] + side * error)) for side in (-1, 1))
        left = "" if row["time left"] == "" else f"{row['time left']:.0%}"
        name = escape(f"{row['budget']} {row['method']}")
        parts.append(
            f'<text x="{LABEL - 12}" y="{y + 4}" text-anchor="end">{name}</text>'
            f'<line x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
            f'<circle cx="{middle}" cy="{y}" r="4.5" fill="{colour}"/>'
            f'<text x="{WIDTH - MARGIN + 14}" y="{y + 4}">{left}</text>'
        )
        y += LINE
    return "\n".join([*parts, "</svg>", ""])
