"""What the page shows of exposure: every group's share of attention, as served beside the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.comparison import Verdict, compare
from pipelines.report.exposure_metrics import GroupExposure
from pipelines.report.metrics_file import Metrics
from pipelines.report.plots.forest import Forest, forest

WIDTH = 140
READINGS = {
    "above": "▲ more than before",
    "below": "▼ less than before",
    "undecided": "no difference shown",
    "identical": "the same in every request",
    "degenerate": "interval without width",
    "undefined": "not defined",
}


@dataclass(frozen=True)
class ExposureSection:
    """The groups with what their differences say, and the differences' forest plot, row by row."""

    rows: Sequence[tuple[GroupExposure, Verdict]]
    plot: Forest


def exposure_section(metrics: Metrics) -> ExposureSection | None:
    """Lay out the part on exposure; None without one."""
    if metrics.exposure is None:
        return None
    rows = metrics.exposure.rows
    plot = forest([row.difference for row in rows], {"no difference": 0.0}, width=WIDTH)
    return ExposureSection([(row, compare(row.difference)) for row in rows], plot)
