"""Values with their intervals, a line each, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pipelines.report.plots.scale import scale_for

WIDTH, LABEL, MARGIN, TOP, LINE, GAP = 760, 250, 90, 40, 22, 14
OURS, OTHER, GRID = "#2b6cb0", "#718096", "#e2e8f0"


@dataclass(frozen=True)
class IntervalLine:
    """One line of the drawing.

    Attributes:
        group: lines of one group stand together.
        name: to the left.
        value, low, high: in the unit of the axis.
        ours: drawn in the colour of what the page is about.
        note: to the right.
    """

    group: str
    name: str
    value: float
    low: float
    high: float
    ours: bool
    note: str = ""


def accuracy_line(row: Mapping[str, Any], group: str, ours: bool, note: str = "") -> IntervalLine:
    """The line of a row with `method`, `test accuracy` and its `standard error`: %, two errors to both sides."""
    value, error = row["test accuracy"], 2 * (row["standard error"] or 0.0)
    low, high = 100 * (value - error), 100 * (value + error)
    return IntervalLine(group, f"{group} {row['method']}", 100 * value, low, high, ours, note)


def interval_lines(title: str, heading: str, lines: Sequence[IntervalLine], label: int = LABEL) -> str:
    """The drawing.

    Args:
        title: for those who cannot see it.
        heading: what the axis means.
        lines: from top to bottom.
        label: width that the names take.
    """
    across = scale_for([end for line in lines for end in (line.low, line.high)], label, WIDTH - MARGIN)
    groups = list(dict.fromkeys(line.group for line in lines))
    height = TOP + LINE * len(lines) + GAP * len(groups) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#2d3748">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{label}" y="14">{escape(heading)}</text>',
    ]
    for place, text in across.ticks():
        parts.append(f'<line x1="{place}" x2="{place}" y1="{TOP - 6}" y2="{height - 8}" stroke="{GRID}"/>')
        parts.append(f'<text x="{place}" y="{TOP - 10}" text-anchor="middle">{text}</text>')
    y = TOP
    for number, line in enumerate(lines):
        y += GAP if number == 0 or line.group != lines[number - 1].group else 0
        colour = OURS if line.ours else OTHER
        parts.append(
            f'<text x="{label - 12}" y="{y + 4}" text-anchor="end">{escape(line.name)}</text>'
            f'<line x1="{across(line.low)}" x2="{across(line.high)}" y1="{y}" y2="{y}" stroke="{colour}" '
            'stroke-width="2"/>'
            f'<circle cx="{across(line.value)}" cy="{y}" r="4.5" fill="{colour}"/>'
            f'<text x="{WIDTH - MARGIN + 14}" y="{y + 4}">{line.note}</text>'
        )
        y += LINE
    return "\n".join([*parts, "</svg>", ""])
