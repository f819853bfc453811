"""The part of a metrics file on the exposure of groups of items."""

from __future__ import annotations

from pydantic import Field

from pipelines.report.metrics_parts import Count, Interval, Part, Share


class GroupExposure(Part):
    """One group: a column, and the value or range of values that its items have.

    Of the candidates of all requests it has `candidates`, a share of `candidate_share`. `clicks` is its share of the
    clicks, undefined without any. `served` and `reference` are its shares of all exposure, `difference` the first
    minus the second.
    """

    column: str
    value: str
    candidates: Count
    candidate_share: Share
    clicks: Interval
    served: Interval
    reference: Interval
    difference: Interval


class ExposureMetrics(Part):
    """Every group, column by column; the attention to rank r is `1 / log2(1 + r)` up to `slate_size`, 0 behind."""

    against: str
    slate_size: Count
    rows: tuple[GroupExposure, ...] = Field(min_length=1)
