"""What the page shows of the slices: the most certain harm as a picture, and all of them as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.metrics_file import Interval, Metrics
from pipelines.report.plots.forest import Forest, forest
from pipelines.report.slice_metrics import Reading, SliceMetrics, SliceRow
from pipelines.report.wording import digits_for, number, whole, with_interval

MOST_ROWS, MOST_DRAWN, WIDTH = 500, 12, 420
READINGS: dict[Reading, str] = {
    "blocks": "▼ worse, blocks",
    "worse": "▼ worse",
    "no harm": "no harm shown",
    "few": "too few to decide",
}
TONES: dict[Reading, str] = {"blocks": "below", "worse": "below", "no harm": "undecided", "few": "undecided"}


@dataclass(frozen=True)
class DrawnSlice:
    """A slice of the picture; `bound` is the coordinate of its corrected bound."""

    row: SliceRow
    bound: float
    words: str


@dataclass(frozen=True)
class SliceSection:
    """Everything the section shows beside the metrics themselves.

    Attributes:
        rows: (slice, its reading), the most certain harm first, at most 500.
        left_out: slices that only the metrics file holds.
        drawn: the first of those that decide; where none does, of all that have a bound.
        plot: the forest plot of `drawn`, row by row.
        others: metrics beside the deciding one.
        digits: decimal places of the deciding metric's numbers, and of their bounds.
    """

    rows: Sequence[tuple[SliceRow, Reading]]
    left_out: int
    drawn: Sequence[DrawnSlice]
    plot: Forest
    others: Sequence[str]
    digits: int


def slice_section(metrics: Metrics) -> SliceSection | None:
    """Lay out the part on slices; None without one."""
    slices = metrics.slices
    if slices is None:
        return None
    shown = slices.rows[:MOST_ROWS]
    # The bounds of slices that are too small lie so far off that the others would shrink to points beside them.
    worst = [(row, row.at_most) for row in slices.deciding or shown if row.at_most is not None][:MOST_DRAWN]
    marks = {"no difference": 0.0}
    if slices.margin is not None:
        marks["bound"] = -slices.margin
    # Bounds are placed on the same axis as intervals of no width.
    bounds = [Interval(value=bound, low=bound, high=bound, count=0) for _, bound in worst]
    plot = forest([row.differences[slices.metric] for row, _ in worst] + bounds, marks, width=WIDTH)
    # Ten is enough to compare at a glance; the narrowest of hundreds would give all of them too many digits.
    digits = digits_for(row.differences[slices.metric] for row, _ in worst[:10])
    placed = [mark.value if mark is not None else 0.0 for mark in plot.rows[len(worst) :]]
    return SliceSection(
        rows=[(row, slices.reading(row)) for row in shown],
        left_out=len(slices.rows) - len(shown),
        drawn=[
            DrawnSlice(row, place, slice_words(row, slices, digits))
            for (row, _), place in zip(worst, placed, strict=True)
        ],
        plot=plot,
        others=[name for name in shown[0].differences if name != slices.metric] if shown else [],
        digits=digits,
    )


def slice_words(row: SliceRow, slices: SliceMetrics, digits: int = 4) -> str:
    """A slice with its difference and its bound, in one line."""
    difference = row.differences[slices.metric]
    return (
        f"{row.column} = {row.value}: {with_interval(difference, digits, signed=True)}, "
        f"{whole(difference.count)} requests, at most {number(row.at_most, digits, signed=True)} "
        f"corrected for {whole(len(slices.deciding))} slices"
    )
