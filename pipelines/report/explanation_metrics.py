"""The part of a metrics file on why items stand where they stand, for a few evaluation requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.report.metrics_parts import Finite, OptionalFinite, Part

Place = Annotated[int, Field(ge=1)]
SUM_TOLERANCE = 1e-6


class FeatureContribution(Part):
    """What one feature's `value` adds to an item's base score."""

    feature: str
    value: Finite
    contribution: Finite


class BaseExplanation(Part):
    """An item's base score, taken apart: `expected`, the largest `contributions`, and the sum of all `others`."""

    score: Finite
    expected: Finite
    contributions: tuple[FeatureContribution, ...]
    others: Finite

    @model_validator(mode="after")
    def _parts_add_up(self) -> BaseExplanation:
        parts = self.expected + sum(one.contribution for one in self.contributions) + self.others
        if abs(parts - self.score) > SUM_TOLERANCE * max(1.0, abs(self.score)):
            raise ValueError(f"score {self.score} is not expected, contributions and others together: {parts}")
        return self


class NeighbourOcclusion(Part):
    """What another candidate does to an item; the definitions are in docs/explanations.md."""

    item_id: str
    context: Finite
    competition: Annotated[float, Field(le=0)]
    place_with: Place | None
    place_without: Place | None


class FeatureOcclusion(Part):
    """What a feature's `value` does to an item's place, beside its mean; `item` is None for a context's feature."""

    feature: str
    value: Finite
    item: OptionalFinite
    everywhere: Finite
    place_item: Place | None
    place_everywhere: Place | None


class PlaceExplanation(Part):
    """What an item's place hangs on, the largest effects alone; `log_probability` is of the choice at its step.

    Without `places_compared`, as for a drawn slate, the effects hold no places.
    """

    log_probability: Annotated[float, Field(le=0)]
    places_compared: bool
    neighbours: tuple[NeighbourOcclusion, ...]
    features: tuple[FeatureOcclusion, ...]


class ExplainedItem(Part):
    """One place of a slate; a part that is not there has its reason instead."""

    place: Place
    item_id: str
    base_rank: Place
    base: BaseExplanation | None
    base_reason: str | None = None
    occlusion: PlaceExplanation | None
    occlusion_reason: str | None = None


class ExplainedSample(Part):
    """The first places of one request's slate; `chosen` says why this request is among the samples."""

    request_id: str
    chosen: Literal["example", "furthest", "typical"]
    items: tuple[ExplainedItem, ...] = Field(min_length=1)


class ExplanationMetrics(Part):
    """All samples, each for another reason, out of the first `scanned` evaluation requests."""

    scanned: Annotated[int, Field(ge=1)]
    samples: tuple[ExplainedSample, ...] = Field(min_length=1)
