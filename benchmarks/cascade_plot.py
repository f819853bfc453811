"""Accuracy of singles, ensembles and cascades over multiply-adds and over measured time, as SVG."""

from __future__ import annotations

import math
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, GAP = 900, 360, 56, 16, 52, 44, 64
FRONT = "on the front"
COLOURS = {
    "single": "#4a5568",
    "ensemble": "#b7791f",
    "cascade": "#2b6cb0",
    "cautious cascade": "#c05621",
    "guarded cascade": "#6b46c1",
    "self-cascade": "#2f855a",
    FRONT: "#90cdf4",
}
COST, SPEED = "expected million multiply-adds", "images/s"


def cascade_plot(rows: list[dict[str, Any]]) -> str:
    """Two panels with one scale of accuracy: multiply-adds to the left, milliseconds of an image to the right."""
    panel = (WIDTH - LEFT - RIGHT - GAP) / 2
    accuracies = [100 * row["test accuracy"] for row in rows]
    low, high = math.floor(min(accuracies)), math.ceil(max(accuracies))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#4a5568">',
        "<title>Test accuracy over cost: cascades lie above the single networks</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    x = LEFT
    for kind, colour in COLOURS.items():
        parts.append(f'<circle cx="{x}" cy="16" r="5" fill="{colour}"/><text x="{x + 10}" y="20">{kind}</text>')
        x += 34 + 7 * len(kind)
    parts.append(f'<text x="{LEFT}" y="{TOP - 10}">test accuracy, %</text>')
    timed = [row for row in rows if row[SPEED] != ""]
    panels = (
        (LEFT, rows, "million multiply-adds of an image, expected", lambda row: row[COST]),
        (LEFT + panel + GAP, timed, "ms of an image, measured", lambda row: 1000 / row[SPEED]),
    )
    for left, shown, title, cost in panels:
        values = [cost(row) for row in shown]
        least, most = min(values) / 1.2, max(values) * 1.2

        def across(value: float, left: float = left, least: float = least, most: float = most) -> float:
            return left + panel * math.log(value / least) / math.log(most / least)

        for tick in _ticks(low, high):
            y = _down(tick, low, high)
            parts.append(f'<line x1="{left}" x2="{left + panel}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e2e8f0"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        for tick in decades(least, most):
            parts.append(
                f'<text x="{across(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>'
            )
        parts.append(f'<text x="{left + panel}" y="{HEIGHT - 8}" text-anchor="end">{title}</text>')
        for row in sorted(shown, key=lambda row: row["kind"] != FRONT):
            words = f"{row['kind']}: {row['members']}, {100 * row['test accuracy']:.1f} %, {cost(row):.3g}"
            small = row["kind"] == FRONT
            parts.append(
                f'<circle cx="{across(cost(row)):.1f}" cy="{_down(100 * row["test accuracy"], low, high):.1f}" '
                f'r="{2.5 if small else 5}" fill="{COLOURS[row["kind"]]}"><title>{words}</title></circle>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _down(accuracy: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (accuracy - low) / max(high - low, 1)


def _ticks(low: int, high: int) -> range:
    return range(low, high + 1, max(1, (high - low) // 6))


def decades(least: float, most: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 2 and 5 times powers of ten."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    return [value for power in powers for step in (1, 2, 5) if least <= (value := step * 10.0**power) <= most]
