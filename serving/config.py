"""The service's configuration: one YAML file, one model; see docs/serving_configuration.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from seriatim_config import Section

Share = Annotated[float, Field(ge=0, le=1)]


class ListenConfig(Section):
    """Where the service listens, and to whom."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8500, ge=0, le=65535, description="Port of gRPC; 0 picks a free one.")
    workers: int = Field(1, ge=1, le=256, description="Processes behind the port, one a core.")
    tls_certificate: Path | None = Field(None, description="PEM file of the server's certificate chain.")
    tls_key: Path | None = Field(None, description="PEM file of its private key.")
    client_ca: Path | None = Field(None, description="PEM file: clients must show a certificate that it signed.")
    tokens: Path | None = Field(None, description="File of hashed tokens; null: every caller may do everything.")
    grace_seconds: float = Field(5.0, ge=0, description="What calls in flight get when the service stops.")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> ListenConfig:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; give both or none")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("client_ca needs tls_certificate and tls_key")
        return self


class LimitsConfig(Section):
    """What the service takes on."""

    message_bytes: int = Field(16 << 20, ge=1024, description="Largest message, before it is decoded.")
    candidates: int = Field(1000, ge=1, le=10_000, description="Most candidates of a request.")
    concurrent_calls: int = Field(512, ge=1, description="Most calls in a process at a time; more are refused.")
    queue_ms: float = Field(100.0, gt=0, description="Longest wait for the models; who would wait longer is refused.")
    batch_requests: int = Field(8, ge=1, description="Most waiting requests that are ranked together.")


class ModelsConfig(Section):
    """Which bundles are served."""

    root: Path = Field(Path("bundles/marketplace"), description="Folder of bundles; new versions are taken up.")
    bundle: Path | None = Field(None, description="Serve this one bundle and watch nothing.")
    poll_seconds: float = Field(2.0, gt=0, description="Time between looks at the folder.")


class FeaturesConfig(Section):
    """Where features of items come from when a request does not carry them."""

    store: Literal["none", "lmdb", "redis"] = Field("none", description="`lmdb` is the bundle's own.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Address of Redis.")
    redis_prefix: str = Field("seriatim", min_length=1, description="First part of every key.")
    timeout_ms: float = Field(20.0, gt=0, description="Longest wait for Redis; then defaults are used.")


class ExplorationConfig(Section):
    """How a share of the traffic explores, so that the next model can be judged on its log."""

    policy: Literal["none", "temperature", "epsilon"] = Field("none", description="How slates are drawn.")
    share: Share = Field(0.1, description="Share of request ids that explore.")
    temperature: float = Field(1.0, ge=1e-3, le=1e3, description="Of the sampling.")
    epsilon: float = Field(0.1, gt=0, le=1, description="Probability of a uniformly random slate.")


class EventsConfig(Section):
    """The event log."""

    folder: Path | None = Field(None, description="Folder of the log; null: nothing is logged.")
    impressions: bool = Field(True, description="Log every slate that the service returns.")
    rotate_bytes: int = Field(64 << 20, ge=1024, description="A file is closed when it has grown to this.")
    rotate_seconds: float = Field(300.0, gt=0, description="A file is closed when it is this old.")
    durability: Literal["process", "disk"] = Field(
        "process", description="What acknowledged events survive: the process's end, or the machine's as well."
    )


class ImagesConfig(Section):
    """The image cascade."""

    cascade: Path | None = Field(None, description="Folder of a cascade; null: ScoreImages is refused.")
    provider: Literal["cpu", "cuda", "tensorrt"] = Field("cpu", description="What ONNX Runtime runs on.")
    provider_fallback: bool = Field(
        False, description="Where that is missing, take the next of TensorRT, CUDA and CPU; else it is an error."
    )
    buckets: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 2, 4, 8, 16, 32), min_length=1, description="Batch sizes that the graphs run with."
    )
    delay_ms: float = Field(2.0, ge=0, description="Longest wait for a batch to fill while others run.")
    queue_images: int = Field(1024, ge=64, description="Most images that are decoded, wait or run; more are refused.")


class MonitoringConfig(Section):
    """What operators see."""

    host: str = Field("127.0.0.1", description="Address of /metrics, /healthz, /readyz and /explorer.")
    port: int | None = Field(None, ge=0, le=65535, description="Its port; 0 picks a free one, null: no HTTP.")
    log_format: Literal["text", "json"] = Field("text", description="Of the log on standard error.")
    log_calls: Literal["none", "failed", "all"] = Field("failed", description="Which calls are logged.")
    traces: Literal["none", "console", "otlp"] = Field("none", description="Where OpenTelemetry spans go.")
    trace_share: Share = Field(0.01, description="Share of requests that are traced.")


class ServiceConfig(Section):
    """The whole configuration of one service."""

    listen: ListenConfig = ListenConfig()
    limits: LimitsConfig = LimitsConfig()
    models: ModelsConfig = ModelsConfig()
    features: FeaturesConfig = FeaturesConfig()
    exploration: ExplorationConfig = ExplorationConfig()
    events: EventsConfig = EventsConfig()
    images: ImagesConfig = ImagesConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
