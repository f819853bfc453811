"""Points on two axes, each with its interval upwards: what something costs against how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.plots.scale import scale_for

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 210, 58, 14, 12, 34


@dataclass(frozen=True)
class ScatterPoint:
    """One point in data: its value and interval at `x`, its name, its words on hover, and whether it stands out."""

    x: float
    value: float
    low: float
    high: float
    name: str
    words: str
    marked: bool = False


@dataclass(frozen=True)
class DrawnPoint:
    """A point in drawing units, `low` and `high` on the upright axis; `left` says where its name has room."""

    x: float
    y: float
    low: float
    high: float
    left: bool
    point: ScatterPoint


@dataclass(frozen=True)
class Scatter:
    """The drawing: its size and edges, (coordinate, text) of both axes' ticks, and the points."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    points: Sequence[DrawnPoint]


def scatter(points: Sequence[ScatterPoint]) -> Scatter:
    """Lay out points, at least one; the horizontal axis begins at 0."""
    across = scale_for([point.x for point in points], LEFT, WIDTH - RIGHT, include=[0.0])
    up = scale_for([end for point in points for end in (point.low, point.high)], HEIGHT - BOTTOM, TOP)
    return Scatter(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=HEIGHT - BOTTOM,
        x_ticks=across.ticks(3),
        y_ticks=up.ticks(4),
        points=[
            DrawnPoint(x, up(p.value), up(p.low), up(p.high), x > (LEFT + WIDTH) / 2, p)
            for p in points
            for x in [across(p.x)]
        ],
    )
