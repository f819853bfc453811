"""The curve of a forest's prediction time over its number of labels, as SVG with logarithmic axes."""

from __future__ import annotations

import math
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 320, 64, 16, 28, 44
X_TICKS, Y_TICKS = (10, 20, 50, 100, 200, 500, 1000), (0.5, 1, 2, 5, 10, 20, 50, 100)


def prediction_plot(rows: list[dict[str, Any]]) -> str:
    """Draw `forest ms per 1,000 rows` over `labels`, with the line of exact proportion through the last point."""
    points = [(row["labels"], row["forest ms per 1,000 rows"]) for row in rows if row["to first"] != ""]
    most, slowest = points[-1]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#4a5568">',
        "<title>Prediction time of a forest over its number of labels; proportional from 50 labels on</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="16">ms for 1,000 rows</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">labels</text>',
    ]
    for tick in X_TICKS:
        parts.append(f'<text x="{_x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,}</text>')
    for tick in Y_TICKS:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(tick):.1f}" y2="{_y(tick):.1f}" stroke="#e2e8f0"/>'
            f'<text x="{LEFT - 8}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    fewest = points[0][0]
    parts.append(
        f'<line x1="{_x(fewest):.1f}" y1="{_y(slowest * fewest / most):.1f}" x2="{_x(most):.1f}" '
        f'y2="{_y(slowest):.1f}" stroke="#a0aec0" stroke-dasharray="5 4"/>'
    )
    path = " ".join(f"{_x(labels):.1f},{_y(time):.1f}" for labels, time in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="#2b6cb0" stroke-width="2"/>')
    for labels, time in points:
        parts.append(
            f'<circle cx="{_x(labels):.1f}" cy="{_y(time):.1f}" r="4" fill="#2b6cb0">'
            f"<title>{labels} labels: {time:.3g} ms</title></circle>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _x(labels: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * _share(labels, X_TICKS)


def _y(time: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(time, Y_TICKS)


def _share(value: float, ticks: tuple[float, ...]) -> float:
    return math.log(value / ticks[0]) / math.log(ticks[-1] / ticks[0])
