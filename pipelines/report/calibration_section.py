"""What the page shows of calibration: a curve a stage, outcomes over scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.calibration_metrics import StageCalibration
from pipelines.report.metrics_file import Metrics
from pipelines.report.plots.curve import Curve, CurvePoint, curve
from pipelines.report.wording import STAGE_TITLES, number, whole, with_interval


@dataclass(frozen=True)
class CalibrationPanel:
    """One stage, its title and its curve."""

    stage: StageCalibration
    title: str
    plot: Curve


def calibration_panels(metrics: Metrics) -> Sequence[CalibrationPanel]:
    """A panel for every stage.

    Probabilities are drawn to scale, beside the line on which they would all be right; other scores by their bin, for
    only their order means something.
    """
    return [CalibrationPanel(one, STAGE_TITLES[one.stage], _plot(one)) for one in metrics.calibration]


def _plot(stage: StageCalibration) -> Curve:
    by_scale = stage.errors is not None
    points = [
        CurvePoint(
            x=one.score if by_scale else place,
            value=one.outcome.value or 0.0,
            low=one.outcome.low,
            high=one.outcome.high,
            words=f"{'predicted' if by_scale else 'mean score'} {number(one.score)}: {with_interval(one.outcome)}, "
            f"{whole(one.items)} items",
        )
        for place, one in enumerate(stage.bins, start=1)
    ]
    largest = max(point.x for point in points)
    reference = [(0.0, 0.0), (largest, largest)] if by_scale else []
    return curve(points, from_zero=True, whole=not by_scale, reference=reference)
