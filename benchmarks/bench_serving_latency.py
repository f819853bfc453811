"""Latency of RankSlate at concurrency 1, beside the floor of an empty call and the stages' compute alone.

The three are measured in turn within one run, so that what else the machine does touches all alike.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.harness import parse_options, report
from serving.bundle import newest_bundle
from serving.client import RankingClient
from serving.commands.rank import started_service
from serving.runtime import SlateQuery, SlateRanker

CANDIDATES, SLATE_SIZE, WARM_UP = 100, 10, 50
NAMES = {
    "echo": "empty call (health check)",
    "compute": "stages in process, one thread",
    "service": "RankSlate over gRPC",
}


def main() -> None:
    options = parse_options("bench_serving_latency", __doc__ or "")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        subprocess.run([sys.executable, "-m", "benchmarks.reference_bundle", str(root)], check=True)
        bundle = newest_bundle(root)
        width = len(bundle.manifest.features.item)
        rng = np.random.default_rng(0)
        features = rng.normal(size=(CANDIDATES, width)).astype(np.float32)
        items = tuple(f"item-{index}" for index in range(CANDIDATES))
        query = SlateQuery("benchmark", items, np.zeros(0, np.float32), features, SLATE_SIZE)
        ranker = SlateRanker(bundle)
        with (
            started_service(root) as target,
            RankingClient(target) as client,
            grpc.insecure_channel(target) as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)
            calls = {
                "echo": lambda: health.Check(health_pb2.HealthCheckRequest()),
                "compute": lambda: ranker.rank(query),
                "service": lambda: client.rank("benchmark", items, features, SLATE_SIZE),
            }
            seconds = _interleaved(calls, 60 * options.budget / 3)
    milliseconds = {name: 1000 * np.array(times) for name, times in seconds.items()}
    figures = {}
    rows = []
    for name, times in milliseconds.items():
        median, p99 = float(np.median(times)), float(np.quantile(times, 0.99))
        figures |= {f"{name}_median_ms": median, f"{name}_p99_ms": p99}
        rows.append({"call": NAMES[name], "calls": len(times), "median ms": median, "p99 ms": p99})
    figures["service_over_echo"] = figures["service_median_ms"] / figures["echo_median_ms"]
    floor = figures["echo_median_ms"] + figures["compute_median_ms"]
    figures["service_over_echo_plus_compute"] = figures["service_median_ms"] / floor
    settings = {
        "candidates": CANDIDATES, "features": width, "slate_size": SLATE_SIZE, "concurrency": 1,
        "stages": [stage.kind for stage in bundle.manifest.stages],
    }  # fmt: skip
    report(options, settings, figures, rows)


def _interleaved(calls: dict, budget_seconds: float) -> dict[str, list[float]]:
    """Seconds of every call, taken in turn until the budget is used or 2,000 rounds are done."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(WARM_UP):
        for call in calls.values():
            call()
    end = time.monotonic() + budget_seconds
    while time.monotonic() < end and len(seconds["service"]) < 2000:
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
