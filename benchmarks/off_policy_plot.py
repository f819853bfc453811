"""Error of off-policy estimates and of fixed clicks over the size of the log, as SVG with logarithmic axes."""

from __future__ import annotations

import math
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 340, 56, 200, 30, 44
X_TICKS, Y_TICKS = (500, 1000, 2000, 5000, 10_000), (0.01, 0.02, 0.05, 0.1, 0.2)
COLOURS = {
    "fixed clicks": "#a0aec0",
    "fixed clicks by examination": "#718096",
    "SN-IIPS": "#c05621",
    "SN-SIPS": "#6b46c1",
    "SN-RIPS": "#2f855a",
    "SN-cascade-DR": "#2b6cb0",
}
DASHED, LABEL_HEIGHT = ("fixed clicks", "fixed clicks by examination", "SN-RIPS"), 15


def off_policy_plot(rows: list[dict[str, Any]]) -> str:
    """A line for each estimator in the setting that was logged at several sizes.

    Args:
        rows: of the benchmark `off_policy_traffic`.
    """
    sizes = [row["slates"] for row in rows]
    small = next(row for row in rows if row["slates"] == min(sizes))
    setting = ("users", "logger", "policy")
    chosen = [row for row in rows if all(row[name] == small[name] for name in setting)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#2d3748">',
        "<title>Relative error of a new policy's value by estimator, over the slates of the log</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="16">relative error (root mean square), {escape(small["users"])} users</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">slates of the log</text>',
    ]
    for tick in X_TICKS:
        parts.append(f'<text x="{_x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,}</text>')
    for level in Y_TICKS:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(level):.1f}" y2="{_y(level):.1f}" stroke="#e2e8f0"/>'
            f'<text x="{LEFT - 8}" y="{_y(level) + 4:.1f}" text-anchor="end">{level:.0%}</text>'
        )
    lines = {
        name: sorted((row["slates"], row["relative error"]) for row in chosen if row["estimator"] == name)
        for name in COLOURS
    }
    lines = {name: points for name, points in lines.items() if points}
    for name, points in lines.items():
        path = " ".join(f"{_x(size):.1f},{_y(error):.1f}" for size, error in points)
        dashes = ' stroke-dasharray="5 4"' if name in DASHED else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dashes}/>')
        parts.extend(
            f'<circle cx="{_x(size):.1f}" cy="{_y(error):.1f}" r="3.5" fill="{COLOURS[name]}">'
            f"<title>{escape(name)}, {size:,} slates: {error:.1%}</title></circle>"
            for size, error in points
        )
    lowest = 0.0
    for name in sorted(lines, key=lambda each: _y(lines[each][-1][1])):
        # Labels of lines that end close to each other move down.
        lowest = max(_y(lines[name][-1][1]) + 4, lowest + LABEL_HEIGHT)
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{lowest:.1f}" fill="{COLOURS[name]}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _x(size: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * _share(size, X_TICKS)


def _y(error: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(error, Y_TICKS)


def _share(value: float, ticks: tuple[float, ...]) -> float:
    return math.log(value / ticks[0]) / math.log(ticks[-1] / ticks[0])
