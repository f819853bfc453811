"""Forest plots: intervals one under the other on one axis, each drawn in its own row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.metrics_file import Interval
from pipelines.report.plots.scale import Scale, scale_for

WIDTH, EDGE, LABEL_ROOM, TICK_ROOM = 330, 6, 12, 65


@dataclass(frozen=True)
class Whisker:
    """One interval in drawing units: its ends and its value from the left."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Forest:
    """The shared axis and a whisker a row; None where a row's interval is not defined.

    Attributes:
        width: of every row's drawing.
        ticks: (coordinate, text) of the axis.
        references: coordinates of upright lines by name, such as zero.
        rows: whiskers in the order of the intervals given.
    """

    width: int
    ticks: Sequence[tuple[float, str]]
    references: dict[str, float]
    rows: Sequence[Whisker | None]


def forest(intervals: Sequence[Interval], references: dict[str, float] | None = None, width: int = WIDTH) -> Forest:
    """Place intervals on one axis that also shows all `references` (name: value)."""
    marks = references or {}
    shown = [number for row in intervals for number in (row.low, row.value, row.high) if number is not None]
    scale = scale_for(shown, EDGE, width - EDGE, include=marks.values())
    ticks = [
        (x, text) for x, text in scale.ticks(max(2, min(4, width // TICK_ROOM))) if LABEL_ROOM < x < width - LABEL_ROOM
    ]
    return Forest(
        width=width,
        ticks=ticks,
        references={name: scale(value) for name, value in marks.items()},
        rows=[_whisker(row, scale) for row in intervals],
    )


def _whisker(interval: Interval, scale: Scale) -> Whisker | None:
    if interval.value is None or interval.low is None or interval.high is None:
        return None
    return Whisker(low=scale(interval.low), value=scale(interval.value), high=scale(interval.high))
