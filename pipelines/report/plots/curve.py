"""Curves over steps or positions, with an optional band, that a reader can walk along point by point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipelines.report.plots.scale import scale_for

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 190, 58, 14, 12, 30
MAX_MARKED = 60


@dataclass(frozen=True)
class CurvePoint:
    """One point in data: where it stands, its value, the ends of its interval (if any) and its words on hover."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None
    words: str = ""


@dataclass(frozen=True)
class Curve:
    """A curve in drawing units.

    Attributes:
        width, height: of the drawing.
        x_ticks, y_ticks: (coordinate, text) of the axes.
        line: `x,y x,y ...` of the points, as an SVG polyline reads it.
        band: the same for the band between the interval ends; empty without intervals.
        points: (x, y, words) of every point.
        marked: whether single points are few enough to be drawn.
        left, right, top, bottom: edges of the plot area.
        reference: a line to compare with, written as `line` is; empty without one.
    """

    width: int
    height: int
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    line: str
    band: str
    points: Sequence[tuple[float, float, str]]
    marked: bool
    left: int
    right: int
    top: int
    bottom: int
    reference: str = ""


def curve(
    points: Sequence[CurvePoint],
    width: int = 480,
    from_zero: bool = False,
    whole: bool = True,
    reference: Sequence[tuple[float, float]] = (),
) -> Curve:
    """Lay out a curve through `points`, at least one, given in the order of x.

    Args:
        points: in data.
        width: of the drawing.
        from_zero: let the vertical axis begin at 0, as shares should.
        whole: whether x is counted, so that only whole numbers are marked.
        reference: corners (x, y) of a line to compare with.
    """
    ends = [number for point in points for number in (point.low, point.value, point.high) if number is not None]
    ends += [y for _, y in reference]
    across = scale_for([*(point.x for point in points), *(x for x, _ in reference)], LEFT, width - RIGHT, padding=0.02)
    up = scale_for(ends, HEIGHT - BOTTOM, TOP, include=[0.0] if from_zero else [])
    if from_zero:
        up = replace(up, low=0.0)
    upper = [(across(p.x), up(p.high)) for p in points if p.high is not None]
    lower = [(across(p.x), up(p.low)) for p in points if p.low is not None]
    return Curve(
        width=width,
        height=HEIGHT,
        x_ticks=across.ticks(6, whole=whole),
        y_ticks=up.ticks(4),
        line=_path((across(p.x), up(p.value)) for p in points),
        band=_path([*upper, *reversed(lower)]),
        points=[(across(p.x), up(p.value), p.words) for p in points],
        marked=len(points) <= MAX_MARKED,
        left=LEFT,
        right=width - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        reference=_path((across(x), up(y)) for x, y in reference),
    )


def _path(corners: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in corners)
