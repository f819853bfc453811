"""`metrics.json`: everything an evaluation found, in one documented file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from seriatim_errors import DataError

METRICS_FILE = "metrics.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Part):
    """A value with its bootstrap interval and the number of requests it rests on."""

    value: float | None
    low: float | None
    high: float | None
    count: int


class RunSummary(_Part):
    """Which run this is."""

    name: str
    created: str
    seed: int
    config_fingerprint: str
    data_fingerprint: str
    bundle_version: str | None = None


class DataSummary(_Part):
    """What went in; counts by split."""

    requests: dict[str, int]
    rows: dict[str, int]
    clicks: dict[str, int]
    quarantined: int
    quarantine_reasons: dict[str, int]
    features: int


class PolicyMetrics(_Part):
    """One policy's metrics on one kind of label."""

    policy: str
    title: str
    labels: Literal["clicks", "grades"]
    metrics: dict[str, Interval]


class PolicyDifference(_Part):
    """One policy minus another, paired by request."""

    policy: str
    against: str
    labels: Literal["clicks", "grades"]
    metrics: dict[str, Interval]


class RatePromise(_Part):
    """The interval of the rate measured while training."""

    low: float
    high: float


class GateMetrics(_Part):
    """The gate's promise and what held on requests it has not seen."""

    rate: Literal["recall"] = "recall"
    target: float
    threshold: float
    promised: RatePromise
    realised: Interval
    pass_share: float


class OffPolicyMetrics(_Part):
    """What a policy would have earned on the logged traffic, or why that cannot be said."""

    policy: str
    estimator: str
    value: float | None
    low: float | None
    high: float | None
    effective_sample_size: float | None
    max_weight: float | None
    mean_weight: float | None
    identifiable: bool
    reason: str | None
    caution: str | None = None
    logged_value: float
    count: int


class PositionClicks(_Part):
    """Impressions and clicks at one logged position."""

    position: int
    impressions: int
    clicks: int


class Blessing(_Part):
    """The rule's verdict on pushing the bundle."""

    blessed: bool
    metric: str
    margin: float
    against: str
    confidence: float
    reason: str
    difference: Interval


class ComponentTime(_Part):
    """Wall seconds of one pipeline component, and whether its outputs were reused."""

    component: str
    seconds: float
    cached: bool


class SlateItem(_Part):
    """One place of the example slate."""

    rank: int
    item_id: str
    base_rank: int
    base_score: float
    gate_score: float | None
    probability: float | None
    clicked: bool | None


class SlateExample(_Part):
    """The slate of one evaluation request, as the service builds it."""

    request_id: str
    items: tuple[SlateItem, ...]


class Metrics(_Part):
    """The whole file."""

    schema_version: Literal[1] = 1
    run: RunSummary
    data: DataSummary
    policies: tuple[PolicyMetrics, ...] = ()
    differences: tuple[PolicyDifference, ...] = ()
    gate: GateMetrics | None = None
    off_policy: tuple[OffPolicyMetrics, ...] = ()
    training: dict[str, tuple[dict[str, float], ...]] = {}
    position_clicks: tuple[PositionClicks, ...] = ()
    blessing: Blessing
    components: tuple[ComponentTime, ...] = ()
    slate_example: SlateExample | None = None

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text(self.model_dump_json(indent=1), encoding="utf-8")


def load_metrics(path: Path) -> Metrics:
    """Read a metrics file.

    Raises:
        DataError: the file is missing, or a field of it is wrong; the message names the field.
    """
    try:
        return Metrics.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run the pipeline first with 'seriatim run'") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(whole file)"
        raise DataError(f"{path}: {field}: {first['msg']}; run the pipeline again to rewrite it") from None
