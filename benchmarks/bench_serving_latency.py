"""Latency of RankSlate at concurrency 1, beside the floor of an empty call and the compute alone.

All kinds of call take turns within one run, so that what else the machine does touches all alike. A turn is
a run of calls back to back, as a client at concurrency 1 makes them: single calls in turn would find the caches
filled by the others.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import NDArray

from benchmarks.harness import parse_options, report
from benchmarks.reference_query import CANDIDATES, SLATE_SIZE, reference_query
from serving.bundle import Bundle, bundle_versions, open_bundle
from serving.client import RankingClient
from serving.commands.rank import started_service
from serving.proto.seriatim.v1 import ranking_pb2
from serving.runtime import SlateQuery, SlateRanker
from serving.runtime.base_ranker import BaseRanker
from serving.runtime.gate import Gate
from serving.runtime.seq2slate import Reading, Seq2Slate

NEEDS = {"minutes": 3, "least": 0.5}
TURN, WARM_UP, MAX_CALLS = 40, 10, 4000
BUNDLES = ("--bundles", {"type": Path, "help": "folder with one bundle to serve; by default the reference bundle"})
NAMES = {
    "echo": "empty call (health check)",
    "compute": "all stages in process, one thread",
    "base_ranker": "of these: base ranker",
    "gate": "of these: gate",
    "seq2slate": "of these: seq2slate",
    "service": "RankSlate over gRPC",
    "features_as_bytes": "features to the wire and back, as bytes",
    "features_as_floats": "the same as repeated float",
}
Calls = dict[str, Callable[[], object]]


def main() -> None:
    options = parse_options("bench_serving_latency", __doc__ or "", BUNDLES)
    with tempfile.TemporaryDirectory() as name:
        root = options.extra.bundles or Path(name)
        if options.extra.bundles is None:
            subprocess.run([sys.executable, "-m", "benchmarks.reference_bundle", str(root)], check=True)
        bundle = open_bundle(root / bundle_versions(root)[-1])
        query = reference_query(bundle)
        calls = {**_stages(bundle, query), **_encodings(query.features)}
        ranker = SlateRanker(bundle)
        with (
            started_service(root) as target,
            RankingClient(target) as client,
            grpc.insecure_channel(target) as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)
            first: Calls = {
                "echo": lambda: health.Check(health_pb2.HealthCheckRequest()),
                "compute": lambda: ranker.rank(query),
                "service": lambda: client.rank(
                    query.request_id, query.item_ids, query.features, query.slate_size, context=query.context
                ),
            }
            seconds = _interleaved({**first, **calls}, 60 * options.budget / 2)
    figures, rows = _summary(seconds)
    settings = {
        "candidates": CANDIDATES,
        "features": len(bundle.manifest.features.names),
        "slate_size": SLATE_SIZE,
        "concurrency": 1,
        "calls_a_turn": TURN,
        "stages": [stage.kind for stage in bundle.manifest.stages],
    }
    report(options, settings, figures, rows)


def _stages(bundle: Bundle, query: SlateQuery) -> Calls:
    """Each stage of the bundle on its own, on all candidates."""
    context = np.broadcast_to(query.context, (CANDIDATES, len(query.context)))
    matrix = np.concatenate([context, query.features], axis=1)
    calls: Calls = {}
    for stage in bundle.manifest.stages:
        path = bundle.folder / stage.file
        if stage.kind == "base_ranker":
            calls["base_ranker"] = partial(BaseRanker(path, matrix.shape[1]).score, matrix)
        elif stage.kind == "gate":
            calls["gate"] = partial(Gate(path, stage.threshold).score, matrix)
        else:
            model = Seq2Slate(path, stage.slate_size, stage.max_list_size)
            calls["seq2slate"] = partial(model.place, [Reading(matrix[: stage.max_list_size])])
    return calls


def _encodings(features: NDArray[np.float32]) -> Calls:
    """The matrix through the protocol's packed bytes, and through `repeated float` for comparison."""

    def as_bytes() -> NDArray[np.float32]:
        message = ranking_pb2.FeatureMatrix(values=features.tobytes()).SerializeToString()
        return np.frombuffer(ranking_pb2.FeatureMatrix.FromString(message).values, "<f4").reshape(features.shape)

    def as_floats() -> NDArray[np.float32]:
        message = ranking_pb2.FeatureVector(values=features.ravel()).SerializeToString()
        return np.array(ranking_pb2.FeatureVector.FromString(message).values, np.float32).reshape(features.shape)

    return {"features_as_bytes": as_bytes, "features_as_floats": as_floats}


def _interleaved(calls: Calls, budget_seconds: float) -> dict[str, list[float]]:
    """Seconds of every call, in turns until the budget is used; the first calls of a turn do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    end = time.monotonic() + budget_seconds
    while time.monotonic() < end and len(seconds["service"]) < MAX_CALLS:
        for name, call in calls.items():
            for place in range(WARM_UP + TURN):
                start = time.perf_counter()
                call()
                if place >= WARM_UP:
                    seconds[name].append(time.perf_counter() - start)
    return seconds


def _summary(seconds: dict[str, list[float]]) -> tuple[dict[str, float], list[dict[str, object]]]:
    figures: dict[str, float] = {}
    rows: list[dict[str, object]] = []
    for name in (name for name in NAMES if name in seconds):
        milliseconds = 1000 * np.array(seconds[name])
        median, p99 = float(np.median(milliseconds)), float(np.quantile(milliseconds, 0.99))
        figures |= {f"{name}_median_ms": median, f"{name}_p99_ms": p99}
        rows.append({"call": NAMES[name], "calls": len(milliseconds), "median ms": median, "p99 ms": p99})
    figures["service_over_echo"] = figures["service_median_ms"] / figures["echo_median_ms"]
    floor = figures["echo_median_ms"] + figures["compute_median_ms"]
    figures["service_over_echo_plus_compute"] = figures["service_median_ms"] / floor
    return figures, rows


if __name__ == "__main__":
    main()
