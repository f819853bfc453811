"""`metrics.json`: everything an evaluation found, in one documented file (`docs/metrics.md`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from pipelines.report.calibration_metrics import StageCalibration
from pipelines.report.drift_metrics import DriftMetrics
from pipelines.report.explanation_metrics import ExplanationMetrics
from pipelines.report.exposure_metrics import ExposureMetrics
from pipelines.report.image_metrics import ImageMetrics
from pipelines.report.labeller_metrics import LabellerMetrics
from pipelines.report.metrics_parts import Count, Finite, Interval, OptionalFinite, Part, Share
from pipelines.report.off_policy_metrics import OffPolicyMetrics, SlateValues
from pipelines.report.slice_metrics import SliceMetrics, SliceName
from pipelines.report.span_metrics import SpansOfRun
from pipelines.report.start_metrics import StageStart
from seriatim_errors import DataError

METRICS_FILE = "metrics.json"
MAX_SHOWN_INPUT = 60
Labels = Literal["clicks", "grades"]


class RunSummary(Part):
    """Which run this is; `created` is ISO 8601 with its offset, `bundle_version` None when nothing was pushed."""

    name: str
    created: str
    seed: int
    config_fingerprint: str
    data_fingerprint: str
    bundle_version: str | None = None

    @field_validator("created")
    @classmethod
    def _created_is_a_time(cls, created: str) -> str:
        # Python 3.10 does not read the suffix Z.
        if datetime.fromisoformat(created.replace("Z", "+00:00")).tzinfo is None:
            raise ValueError("has no offset from UTC; write for instance 2024-05-01T12:00:00+00:00")
        return created


class DataSummary(Part):
    """What went in; `requests`, `rows` and `clicks` by split, `quarantine_reasons` in rows, `spans` for days."""

    requests: dict[str, Count]
    rows: dict[str, Count]
    clicks: dict[str, Count]
    quarantined: Count
    quarantine_reasons: dict[str, Count]
    features: Count
    spans: SpansOfRun | None = None


class ItemFeatureVariation(Part):
    """How far features of items differ between requests, which a lookup by item id cannot know.

    Of the `items` of the training requests `repeated` are in more than one of them; of those `varying` carry some
    feature that is not always the same. `features` are the ones that differ, for most items first.
    """

    items: Count
    repeated: Count
    varying: Count
    features: tuple[str, ...]

    @model_validator(mode="after")
    def _counts_are_nested(self) -> ItemFeatureVariation:
        if not self.varying <= self.repeated <= self.items:
            raise ValueError(f"varying {self.varying}, repeated {self.repeated}, items {self.items} are not nested")
        return self

    @property
    def share(self) -> float:
        """Items whose features differ, as a share of those in more than one request; 0 without any."""
        return self.varying / self.repeated if self.repeated else 0.0


class PolicyMetrics(Part):
    """One policy's metrics on one kind of label."""

    policy: str
    title: str
    labels: Labels
    metrics: dict[str, Interval]


class PolicyDifference(Part):
    """One policy minus another, paired by request."""

    policy: str
    against: str
    labels: Labels
    metrics: dict[str, Interval]


class RatePromise(Part):
    """The interval of the rate measured while training, on requests held out in turn."""

    low: Finite
    high: Finite


class GateMetrics(Part):
    """The gate's promise and what held on requests it has not seen; `pass_share` is of the candidates."""

    rate: Literal["recall"] = "recall"
    target: Share
    threshold: Finite
    promised: RatePromise
    realised: Interval
    pass_share: Share


class PositionClicks(Part):
    """Impressions and clicks at one logged position, counted from 1."""

    position: int
    impressions: Count
    clicks: Count

    @model_validator(mode="after")
    def _clicks_are_impressions(self) -> PositionClicks:
        if self.clicks > self.impressions:
            raise ValueError(f"clicks {self.clicks} are more than impressions {self.impressions}")
        return self


class Blessing(Part):
    """The rule's verdict on pushing the bundle: is the lower end of `difference` above minus `margin`?

    `blocking_slices` are those that are certainly worse by more than `slices.margin`, and speak against it whatever
    the difference over all requests is.
    """

    blessed: bool
    metric: str
    margin: Finite
    against: str
    confidence: Annotated[float, Field(gt=0, lt=1)]
    reason: str
    difference: Interval
    blocking_slices: tuple[SliceName, ...] = ()


class ComponentTime(Part):
    """Wall seconds of one pipeline component, and whether its outputs were reused."""

    component: str
    seconds: Annotated[float, Field(ge=0)]
    cached: bool


class SlateItem(Part):
    """One place of the example slate; `probability` is that of the choice at its step, None behind the slate."""

    rank: Annotated[int, Field(ge=1)]
    item_id: str
    base_rank: Annotated[int, Field(ge=1)]
    base_score: Finite
    gate_score: OptionalFinite
    probability: OptionalFinite
    clicked: bool | None


class SlateExample(Part):
    """The slate of one evaluation request, as the service builds it."""

    request_id: str
    items: tuple[SlateItem, ...]


class Metrics(Part):
    """The whole file; `training` holds the rows of each stage's history, each with a `step`.

    `starts` tells of every stage that was to start from an earlier bundle whether it did.
    """

    schema_version: Literal[1] = 1
    run: RunSummary
    data: DataSummary
    policies: tuple[PolicyMetrics, ...] = ()
    differences: tuple[PolicyDifference, ...] = ()
    slices: SliceMetrics | None = None
    calibration: tuple[StageCalibration, ...] = ()
    exposure: ExposureMetrics | None = None
    drift: DriftMetrics | None = None
    gate: GateMetrics | None = None
    labeller: LabellerMetrics | None = None
    images: ImageMetrics | None = None
    item_features: ItemFeatureVariation | None = None
    off_policy: tuple[OffPolicyMetrics, ...] = ()
    slate_values: SlateValues | None = None
    training: Mapping[str, tuple[Mapping[str, OptionalFinite], ...]] = {}
    starts: Mapping[str, StageStart] = {}
    position_clicks: tuple[PositionClicks, ...] = ()
    blessing: Blessing
    components: tuple[ComponentTime, ...] = ()
    slate_example: SlateExample | None = None
    explanations: ExplanationMetrics | None = None

    def save(self, path: Path) -> None:
        """Write the file; a reader sees the old one or the new one, never half of one."""
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        os.replace(unfinished, path)


def read_metrics(path: Path) -> Metrics:
    """Read a metrics file.

    Raises:
        DataError: the file is missing or unreadable, or a field of it is wrong; the message names the field,
            the value and the way out.
    """
    try:
        return Metrics.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run the pipeline first with 'seriatim run'") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name a run's folder") from None
    except ValidationError as error:
        wrong = [_in_words(detail) for detail in error.errors()]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise DataError(f"{path}: {wrong[0]}{more}; run the pipeline again to rewrite it") from None


def _in_words(detail: Any) -> str:
    """`gate.target: Input should be a valid number, not 'high'` for one of pydantic's errors."""
    field = ".".join(map(str, detail["loc"])) or "(whole file)"
    shown = repr(detail["input"])
    if detail["type"] == "missing" or not detail["loc"] or len(shown) > MAX_SHOWN_INPUT:
        return f"{field}: {detail['msg']}"
    return f"{field}: {detail['msg']}, not {shown}"
