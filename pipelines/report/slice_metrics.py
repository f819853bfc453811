"""The part of a metrics file on slices of the requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.report.metrics_parts import Count, Finite, Interval, OptionalFinite, Part

Reading = Literal["blocks", "worse", "no harm", "few"]


class SliceName(Part):
    """Which slice: a column, and the value or range of values that its requests have."""

    column: str
    value: str


class SliceRow(SliceName):
    """One slice.

    `requests` are all of it; the intervals rest on those where the metrics are defined. `at_most` is the corrected
    upper bound of the true difference in the deciding metric, None without such a request; `decides` says whether
    there are enough of them for the slice to count.
    """

    requests: Count
    served: dict[str, Interval]
    differences: dict[str, Interval]
    at_most: OptionalFinite
    decides: bool


class SliceMetrics(Part):
    """Every slice, the one that is most certainly worse first.

    Differences are of the served slates minus `against`, on `labels`; `metric` is the one that orders and decides.
    `tail` is the chance that one bound is too low: 1 - `confidence` over the number of slices that decide, those of
    `min_requests` or more. `margin` is what a slice may lose, None where no slice blocks.
    """

    labels: Literal["clicks", "grades"]
    metric: str
    against: str
    confidence: Annotated[float, Field(gt=0, lt=1)]
    tail: Annotated[float, Field(gt=0, lt=1)]
    min_requests: Count
    margin: Annotated[Finite, Field(ge=0)] | None
    rows: tuple[SliceRow, ...]

    @model_validator(mode="after")
    def _rows_are_in_order_of_harm(self) -> SliceMetrics:
        bounds = [float("inf") if row.at_most is None else row.at_most for row in self.rows]
        if bounds != sorted(bounds):
            raise ValueError("rows are not in rising order of at_most")
        return self

    @model_validator(mode="after")
    def _rows_have_the_deciding_metric(self) -> SliceMetrics:
        for row in self.rows:
            if self.metric not in row.served or row.served.keys() != row.differences.keys():
                raise ValueError(f"the row of {row.column} = {row.value} lacks {self.metric!r} or a difference of one")
        return self

    def reading(self, row: SliceRow) -> Reading:
        """What a slice's bound says of it."""
        if not row.decides or row.at_most is None:
            return "few"
        if self.margin is not None and row.at_most < -self.margin:
            return "blocks"
        return "worse" if row.at_most < 0 else "no harm"

    @property
    def deciding(self) -> tuple[SliceRow, ...]:
        """Slices with enough requests to count."""
        return tuple(row for row in self.rows if row.decides)

    @property
    def blocking(self) -> tuple[SliceRow, ...]:
        """Deciding slices that are certainly worse by more than the margin; none without one."""
        return tuple(row for row in self.rows if self.reading(row) == "blocks")

    @property
    def worse(self) -> tuple[SliceRow, ...]:
        """Deciding slices that are certainly worse, but do not block."""
        return tuple(row for row in self.rows if self.reading(row) == "worse")
