"""Measured intervals as the metrics file holds them."""

from __future__ import annotations

from pipelines.report.metrics_parts import Interval
from ranking.metrics import MetricInterval


def interval_of(interval: MetricInterval) -> Interval:
    """The same numbers; what is undefined becomes null."""
    return Interval(value=interval.value, low=interval.low, high=interval.high, count=interval.count)
