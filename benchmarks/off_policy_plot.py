"""Error of off-policy estimates and of fixed clicks over the size of the log, as SVG with logarithmic axes."""

from __future__ import annotations

from html import escape
from typing import Any

from benchmarks.log_axes import LogAxes
from pipelines.report.plots.line_labels import label_heights

AXES = LogAxes(640, 340, 56, 200, 30, 44, across=(500, 1000, 2000, 5000, 10_000), up=(0.01, 0.02, 0.05, 0.1, 0.2))
COLOURS = {
    "fixed clicks": "#a0aec0",
    "fixed clicks by examination": "#718096",
    "SN-IIPS": "#c05621",
    "SN-SIPS": "#6b46c1",
    "SN-RIPS": "#2f855a",
    "SN-cascade-DR": "#2b6cb0",
}
DASHED = ("fixed clicks", "fixed clicks by examination", "SN-RIPS")


def off_policy_plot(rows: list[dict[str, Any]]) -> str:
    """A line for each estimator in the setting that was logged at several sizes.

    Args:
        rows: of the benchmark `off_policy_traffic`.
    """
    sizes = [row["slates"] for row in rows]
    small = next(row for row in rows if row["slates"] == min(sizes))
    setting = ("users", "logger", "policy")
    chosen = [row for row in rows if all(row[name] == small[name] for name in setting)]
    parts = AXES.head(
        "Relative error of a new policy's value by estimator, over the slates of the log",
        f"relative error (root mean square), {escape(small['users'])} users",
        "slates of the log",
        "#2d3748",
    )
    parts += AXES.grid(".0%")
    lines = {
        name: sorted((row["slates"], row["relative error"]) for row in chosen if row["estimator"] == name)
        for name in COLOURS
    }
    lines = {name: points for name, points in lines.items() if points}
    for name, points in lines.items():
        path = " ".join(f"{AXES.x(size):.1f},{AXES.y(error):.1f}" for size, error in points)
        dashes = ' stroke-dasharray="5 4"' if name in DASHED else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dashes}/>')
        parts.extend(
            f'<circle cx="{AXES.x(size):.1f}" cy="{AXES.y(error):.1f}" r="3.5" fill="{COLOURS[name]}">'
            f"<title>{escape(name)}, {size:,} slates: {error:.1%}</title></circle>"
            for size, error in points
        )
    heights = label_heights({name: AXES.y(points[-1][1]) for name, points in lines.items()})
    parts += [
        f'<text x="{AXES.width - AXES.right + 10}" y="{height:.1f}" fill="{COLOURS[name]}">{escape(name)}</text>'
        for name, height in heights.items()
    ]
    return "\n".join([*parts, "</svg>", ""])
