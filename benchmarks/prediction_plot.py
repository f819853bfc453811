"""The curve of a forest's prediction time over its number of labels, as SVG with logarithmic axes."""

from __future__ import annotations

from typing import Any

from benchmarks.log_axes import LogAxes

AXES = LogAxes(560, 320, 64, 16, 28, 44, across=(10, 20, 50, 100, 200, 500, 1000), up=(0.5, 1, 2, 5, 10, 20, 50, 100))


def prediction_plot(rows: list[dict[str, Any]]) -> str:
    """Draw `forest ms per 1,000 rows` over `labels`, with the line of exact proportion through the last point."""
    points = [(row["labels"], row["forest ms per 1,000 rows"]) for row in rows if row["to first"] != ""]
    most, slowest = points[-1]
    parts = AXES.head(
        "Prediction time of a forest over its number of labels; proportional from 50 labels on",
        "ms for 1,000 rows",
        "labels",
        "#4a5568",
    )
    parts += AXES.grid("g")
    fewest = points[0][0]
    parts.append(
        f'<line x1="{AXES.x(fewest):.1f}" y1="{AXES.y(slowest * fewest / most):.1f}" x2="{AXES.x(most):.1f}" '
        f'y2="{AXES.y(slowest):.1f}" stroke="#a0aec0" stroke-dasharray="5 4"/>'
    )
    path = " ".join(f"{AXES.x(labels):.1f},{AXES.y(time):.1f}" for labels, time in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="#2b6cb0" stroke-width="2"/>')
    for labels, time in points:
        parts.append(
            f'<circle cx="{AXES.x(labels):.1f}" cy="{AXES.y(time):.1f}" r="4" fill="#2b6cb0">'
            f"<title>{labels} labels: {time:.3g} ms</title></circle>"
        )
    return "\n".join([*parts, "</svg>", ""])
