"""The part of a metrics file on what a stage's scores say of clicks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipelines.report.metrics_parts import Count, Finite, Interval, Part


class ScoreBin(Part):
    """Items of about one score: its mean, the mean outcome (by request), and how many items."""

    score: Finite
    outcome: Interval
    items: Count


class ProbabilityErrors(Part):
    """How far probabilities are off.

    `expected_calibration_error` is the mean distance of prediction and outcome over the bins; without any
    miscalibration it would be about `by_chance`.
    """

    expected_calibration_error: Finite
    by_chance: Finite
    brier_score: Interval
    log_loss: Interval


class StageCalibration(Part):
    """One stage's scores against `outcome`, in bins of about as many items; `errors` where scores are probabilities."""

    stage: Literal["base_ranker", "gate", "seq2slate"]
    outcome: str
    bins: tuple[ScoreBin, ...] = Field(min_length=1)
    errors: ProbabilityErrors | None = None

    @model_validator(mode="after")
    def _bins_rise(self) -> StageCalibration:
        scores = [one.score for one in self.bins]
        if scores != sorted(scores):
            raise ValueError("bins are not in rising order of score")
        return self
