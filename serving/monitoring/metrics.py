"""What the service counts and times, for Prometheus; docs/monitoring.md explains each metric."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector

from serving.monitoring.score_drift import ScoreDrift
from serving.monitoring.sharing import SHARED_FOLDER
from serving.runtime.query import Slate

if TYPE_CHECKING:
    from serving.batching.batcher import Batch
    from serving.images import StageRun

CALL_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1, 5)
STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.1, 1)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
DRIFTS_KEPT = 8
BATCHES_A_DRIFT = 32

Child = TypeVar("Child", bound=MetricWrapperBase)


class Metrics:
    """The metrics of one process; made once a process where several share a folder.

    Args:
        deciles_of: the base scores' deciles that a bundle's manifest promises; None where it promises none.
    """

    def __init__(self, deciles_of: Callable[[str], Sequence[float] | None] = lambda version: None) -> None:
        self._deciles_of = deciles_of
        own = self.registry = CollectorRegistry()
        self._calls = Histogram(
            "seriatim_call_seconds",
            "Time from a call's message to its answer.",
            ("method", "code"),
            buckets=CALL_SECONDS,
            registry=own,
        )
        self._ranked = Counter(
            "seriatim_ranked_requests", "Requests that were ranked.", ("version", "decoding", "traffic"), registry=own
        )
        self._explored = Counter("seriatim_explored_slates", "Slates that were drawn.", ("policy",), registry=own)
        self._stages = Histogram(
            "seriatim_stage_seconds", "Time of a stage for a batch.", ("stage",), buckets=STAGE_SECONDS, registry=own
        )
        self._batches = Histogram(
            "seriatim_batch_requests", "Requests that were ranked together.", buckets=BATCH_SIZES, registry=own
        )
        self._waits = Histogram(
            "seriatim_queue_seconds", "Time that a request waited to be ranked.", buckets=STAGE_SECONDS, registry=own
        )
        self._queue = Gauge(
            "seriatim_queue_requests",
            "Requests that waited when the last batch was done.",
            multiprocess_mode="livesum",
            registry=own,
        )
        self._shed = Counter("seriatim_shed_requests", "Requests refused to keep others fast.", ("why",), registry=own)
        self._looked_up = Counter(
            "seriatim_looked_up_items", "Items whose features were looked up.", ("found",), registry=own
        )
        self._store = Gauge(
            "seriatim_feature_store_available",
            "1 while items are looked up, 0 while defaults stand in.",
            multiprocess_mode="livemin",
            registry=own,
        )
        self._events = Counter("seriatim_events", "Events for the log.", ("outcome",), registry=own)
        self._torn = Counter("seriatim_event_log_torn_bytes", "Cut off files that killed processes left.", registry=own)
        self._scores = Counter(
            "seriatim_base_scores",
            "Base scores by the tenth of the evaluation's scores they fall into.",
            ("version", "tenth"),
            registry=own,
        )
        self._drift = Gauge(
            "seriatim_score_drift",
            "Population stability index of recent base scores against the evaluation's.",
            ("version",),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._exits = Counter("seriatim_cascade_exits", "Images that left the cascade.", ("stage",), registry=own)
        self._cascade_batches = Histogram(
            "seriatim_cascade_batch_images",
            "Images that a stage read together.",
            ("stage",),
            buckets=BATCH_SIZES,
            registry=own,
        )
        self._cascade_seconds = Histogram(
            "seriatim_cascade_stage_seconds",
            "Time of a stage for a batch.",
            ("stage",),
            buckets=STAGE_SECONDS,
            registry=own,
        )
        self._version = Gauge(
            "seriatim_bundle_in_service",
            "1 for the bundle that ranks most requests.",
            ("version",),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._children: dict[tuple[object, ...], object] = {}
        self._drifts: dict[str, ScoreDrift | None] = {}
        self._store.set(1)
        self._in_service, self._untold = "", 0

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format: those of all processes where they share a folder."""
        self._tell_drifts()
        folder = os.environ.get(SHARED_FOLDER)
        if folder is None:
            return generate_latest(self.registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, folder)
        return generate_latest(shared)

    def call(self, method: str, code: str, seconds: float) -> None:
        """A call was answered, `code` being the status's name."""
        self._child(self._calls, method, code).observe(seconds)

    def batch(self, batch: Batch, waiting: int) -> None:
        """Requests were ranked; `waiting` are in the queue behind them."""
        slates = [answer for answer in batch.answers if isinstance(answer, Slate)]
        self._batches.observe(len(batch.answers))
        self._queue.set(waiting)
        traffic = "shadow" if batch.waits is None else "live"
        self._child(self._ranked, batch.version, batch.decoding.name.lower(), traffic).inc(len(batch.answers))
        for wait in batch.waits or ():
            self._waits.observe(wait)
        if not slates:
            return
        for stage, seconds in slates[0].stage_seconds.items():
            self._child(self._stages, stage).observe(seconds)
        for slate in slates:
            if slate.propensity is not None:
                self._child(self._explored, slate.policy).inc()
        drift = self._drift_of(batch.version)
        if drift is not None:
            drift.observe([slate.base_scores for slate in slates])
            self._untold += 1
            if self._untold >= BATCHES_A_DRIFT:
                self._tell_drifts()

    def shed(self, why: str) -> None:
        """A request was refused: `queue`, `deadline` or `calls`."""
        self._child(self._shed, why).inc()

    def looked_up(self, items: int, unknown: int, available: bool) -> None:
        """Features of items were looked up; `unknown` of them got defaults."""
        self._child(self._looked_up, "yes").inc(items - unknown)
        self._child(self._looked_up, "no").inc(unknown)
        self._store.set(available)

    def events(self, outcome: str, count: int) -> None:
        """Events were `recorded`, known already (`duplicate`), or could not be written (`failed`)."""
        self._child(self._events, outcome).inc(count)

    def torn(self, count: int) -> None:
        """Bytes were cut off the log when it was opened."""
        self._torn.inc(count)

    def cascade(self, run: StageRun) -> None:
        """A stage of the image cascade read a batch."""
        stage = str(run.batch.stage)
        self._child(self._cascade_batches, stage).observe(len(run.confidences))
        self._child(self._cascade_seconds, stage).observe(run.seconds)
        self._child(self._exits, stage).inc(run.left)

    def in_service(self, version: str) -> None:
        """Another bundle ranks most requests."""
        if self._in_service:
            self._child(self._version, self._in_service).set(0)
        self._in_service = version
        self._child(self._version, version).set(1)

    def _tell_drifts(self) -> None:
        """Bring what the drifts know into the metrics: that costs more than counting the scores of a batch."""
        self._untold = 0
        for version, drift in self._drifts.items():
            if drift is not None:
                for tenth, count in enumerate(drift.news()):
                    self._child(self._scores, version, str(tenth)).inc(count)
                self._child(self._drift, version).set(drift.index)

    def _drift_of(self, version: str) -> ScoreDrift | None:
        if version not in self._drifts:
            deciles = self._deciles_of(version)
            self._drifts[version] = None if deciles is None else ScoreDrift(deciles)
            while len(self._drifts) > DRIFTS_KEPT:
                self._drifts.pop(next(iter(self._drifts)))
        return self._drifts[version]

    def _child(self, metric: Child, *labels: str) -> Child:
        """The metric under these labels; prometheus_client's own way there takes a lock and three times as long."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child  # type: ignore[return-value]
