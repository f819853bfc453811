"""Measured intervals as the metrics file holds them."""

from __future__ import annotations

import numpy as np

from pipelines.report.metrics_parts import Interval
from ranking.metrics import MetricInterval


def interval_of(interval: MetricInterval) -> Interval:
    """JSON knows no nan: an undefined value is null."""
    values = (interval.value, interval.low, interval.high)
    value, low, high = (None if np.isnan(number) else float(number) for number in values)
    return Interval(value=value, low=low, high=high, count=interval.count)
