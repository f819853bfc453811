"""The part of a metrics file on how the data differ from the last run's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipelines.report.metrics_parts import Count, Finite, OptionalFinite, Part, Share


class FeatureDrift(Part):
    """One column of the training requests, now and in the last run.

    `divergence` is the Jensen-Shannon divergence of the two distributions (base 2), `mean`, `deviation` and `zeros`
    (share of the values) describe them; None where the column is not of numbers.
    """

    column: str
    divergence: Annotated[Finite, Field(ge=0)]
    mean: OptionalFinite
    mean_before: OptionalFinite
    deviation: OptionalFinite
    deviation_before: OptionalFinite
    zeros: Share | None
    zeros_before: Share | None


class DriftMetrics(Part):
    """What changed since the last run of this pipeline on other data, the largest divergence first.

    `since` is when its statistics were made (ISO 8601), `requests_before` how many training requests it had; `added`
    and `removed` are columns that only one of the two has.
    """

    since: str
    requests: Count
    requests_before: Count
    threshold: Annotated[float, Field(gt=0, le=1)]
    columns: tuple[FeatureDrift, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _columns_fall(self) -> DriftMetrics:
        divergences = [column.divergence for column in self.columns]
        if divergences != sorted(divergences, reverse=True):
            raise ValueError("columns are not in falling order of divergence")
        return self

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        """Columns above the threshold."""
        return tuple(column for column in self.columns if column.divergence > self.threshold)
