"""The gRPC service on the reference request, against the floor of an empty call and against its models' compute alone.

The reference request has 100 candidates of 136 features; the bundle a base ranker of 300 trees, a gate, and a re-ranker
with an LSTM of 128 that places 10. Everything is a ratio within one run. Latency: turns of calls back to back, kinds
of calls taking turns. Throughput: load generators in processes and on cores of their own, rounds of compute and of load
taking turns; the roofline is one process that does nothing but rank single requests. Two to three service processes
share one port. The tail is that of random arrivals at 70 % of the highest throughput. TensorFlow runs the same models
in process: LightGBM for the trees, SavedModels for the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.harness import ONE_THREAD, parse_options, report
from benchmarks.reference_query import CANDIDATES, SLATE_SIZE, reference_query
from serving.bundle import newest_bundle
from serving.client import RankingClient
from serving.commands.rank import READY_LINE
from serving.proto.seriatim.v1 import ranking_pb2
from serving.runtime import SlateQuery, SlateRanker

NEEDS = {"minutes": 6, "least": 4}
TURN, WARM_UP, TURNS = 40, 10, 40
ROUNDS, LOAD_SECONDS = 5, 3.0
CLIENTS = (1, 8, 32)
TAIL_LOAD = 0.7
RANK = "/seriatim.v1.RankingService/RankSlate"
SERVICE_CORE, CLIENT_CORE = 0, (os.cpu_count() or 2) - 1


def main() -> None:
    options = parse_options("serving", __doc__ or "")
    os.environ.update(ONE_THREAD)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        subprocess.run([sys.executable, "-m", "benchmarks.reference_bundle", str(root)], check=True)
        bundle = newest_bundle(root)
        query = reference_query(bundle)
        request = root / "request.bin"
        request.write_bytes(message_of(query).SerializeToString())
        ranker = SlateRanker(bundle)
        figures, rows = latency(root, ranker, query)
        for part in (
            throughput(root, ranker, query, request),
            processes(root, request),
            tensorflow(root, ranker, query),
        ):
            figures |= part[0]
            rows += part[1]
    settings = {
        "candidates": CANDIDATES,
        "features": len(bundle.manifest.features.names),
        "slate_size": SLATE_SIZE,
        "stages": [stage.kind for stage in bundle.manifest.stages],
        "seconds a load": LOAD_SECONDS,
    }
    report(options, settings, figures, rows)


def latency(root: Path, ranker: SlateRanker, query: SlateQuery) -> tuple[dict[str, float], list[dict[str, object]]]:
    """One caller: empty calls, ranking in process, and RankSlate of a message made before, in turns."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    with (
        service(root, 1) as target,
        RankingClient(target) as client,
        grpc.insecure_channel(target, [("grpc.enable_http_proxy", 0)]) as channel,
    ):
        health, rank = health_pb2_grpc.HealthStub(channel), channel.unary_unary(RANK)
        message = message_of(query).SerializeToString()
        calls = {
            "echo": lambda: health.Check(health_pb2.HealthCheckRequest()),
            "compute": lambda: ranker.rank(query),
            "service": lambda: rank(message, timeout=5),
            "client": lambda: client.rank(query.request_id, query.item_ids, query.features, query.slate_size),
        }
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        stages = []
        for _ in range(TURNS):
            for name, call in calls.items():
                for place in range(WARM_UP + TURN):
                    begun = time.perf_counter()
                    answer = call()
                    if place >= WARM_UP:
                        seconds[name].append(time.perf_counter() - begun)
                        if name == "compute":
                            stages.append(sum(answer.stage_seconds.values()))
    medians = {name: 1000 * float(np.median(values)) for name, values in seconds.items()}
    stage_ms = 1000 * float(np.median(stages))
    figures = {
        "stages_over_compute": stage_ms / medians["compute"],
        "service_over_echo_plus_compute": medians["service"] / (medians["echo"] + stage_ms),
        "service_less_echo_over_compute": (medians["service"] - medians["echo"]) / stage_ms,
    }
    titles = {
        "echo": "empty call (health check)",
        "compute": "all stages in process, with what joins them",
        "service": "RankSlate, one caller",
        "client": "RankSlate, one caller, with making the message and reading the answer in Python",
    }
    rows: list[dict[str, object]] = [{"what": "the stages' models alone", **times(stages)}]
    return figures, rows + [{"what": titles[name], **times(seconds[name])} for name in calls]


def throughput(
    root: Path, ranker: SlateRanker, query: SlateQuery, request: Path
) -> tuple[dict[str, float], list[dict[str, object]]]:
    """One process under closed load, beside a process that only ranks, and its tail under random arrivals."""
    compute: list[float] = []
    rates: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    seconds: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    with service(root, 1) as target:
        for _ in range(ROUNDS):
            os.sched_setaffinity(0, {CLIENT_CORE})
            begun, done = time.perf_counter(), 0
            while time.perf_counter() - begun < LOAD_SECONDS:
                done += sum(ranker.rank(query).stage_seconds.values()) > 0
            compute.append(done / (time.perf_counter() - begun))
            for clients in CLIENTS:
                found = load(target, request, clients=clients)
                rates[clients].append(len(found["seconds"]) / LOAD_SECONDS)
                seconds[clients] += found["seconds"].tolist()
        peak = float(np.median(np.max([rates[clients] for clients in CLIENTS], axis=0)))
        tail = [load(target, request, clients=16, rate=TAIL_LOAD * peak) for _ in range(ROUNDS)]
    open_loop = np.concatenate([part["seconds"] for part in tail])
    best = {clients: float(np.median(np.array(rates[clients]) / compute)) for clients in CLIENTS}
    figures = {f"throughput_over_roofline_{clients}": value for clients, value in best.items()}
    figures["p99_over_median_at_70_percent"] = float(np.quantile(open_loop, 0.99) / np.median(open_loop))
    rows: list[dict[str, object]] = [
        {"what": "roofline: one process that only ranks", **EMPTY, "a second": float(np.median(compute))}
    ]
    for clients in CLIENTS:
        rate = float(np.median(rates[clients]))
        rows.append({"what": f"RankSlate, {clients} callers", **times(seconds[clients]), "a second": rate})
    rows.append({"what": "RankSlate, random arrivals at 70 %", **times(open_loop), "a second": TAIL_LOAD * peak})
    return figures, rows


def processes(root: Path, request: Path) -> tuple[dict[str, float], list[dict[str, object]]]:
    """One to N processes behind one port, each on a core, the load on the last core."""
    most = max(1, (os.cpu_count() or 2) - 1)
    rates: dict[int, list[float]] = {count: [] for count in range(1, most + 1)}
    for _ in range(ROUNDS // 2 + 1):
        for count in rates:
            with service(root, count) as target:
                rates[count].append(len(load(target, request, clients=16 * count)["seconds"]) / LOAD_SECONDS)
    medians = {count: float(np.median(values)) for count, values in rates.items()}
    figures = {f"scaling_{count}": medians[count] / (count * medians[1]) for count in rates if count > 1}
    rows: list[dict[str, object]] = [
        {"what": f"{count} processes on {count} cores, {16 * count} callers", **EMPTY, "a second": rate}
        for count, rate in medians.items()
    ]
    return figures, rows


def tensorflow(root: Path, ranker: SlateRanker, query: SlateQuery) -> tuple[dict[str, float], list[dict[str, object]]]:
    """Start and median of one request: our service over gRPC, and its ranker in process, against TensorFlow in process.

    Both start from compiled bytecode, as installed software does; the first of the runs may have to write it.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    np.savez(root / "features.npz", features=query.features)
    theirs, ours = [], []
    for _ in range(5):
        command = [sys.executable, "-m", "benchmarks.serving_tensorflow", str(newest_bundle(root).folder)]
        finished = subprocess.run(
            [*command, str(root / "features.npz")], capture_output=True, text=True, check=True, env={**os.environ}
        )
        theirs.append(json.loads(finished.stdout.splitlines()[-1]))
        begun = time.perf_counter()
        with service(root, 1) as target, RankingClient(target) as client:
            ask = lambda: client.rank("r", query.item_ids, query.features, query.slate_size)  # noqa: E731
            ask()
            start, seconds = time.perf_counter() - begun, []
            for _ in range(200):
                once = time.perf_counter()
                ask()
                seconds.append(time.perf_counter() - once)
        ours.append({"start": start, "median": float(np.median(seconds)), "in process": _median_rank(ranker, query)})
    medians = {
        (name, key): float(np.median([run[key] for run in runs]))
        for name, runs in (("ours", ours), ("theirs", theirs))
        for key in runs[0]
    }
    figures = {
        "tensorflow_latency_over_service": medians["theirs", "median"] / medians["ours", "median"],
        "tensorflow_latency_over_ranker_in_process": medians["theirs", "median"] / medians["ours", "in process"],
        "tensorflow_start_over_service": medians["theirs", "start"] / medians["ours", "start"],
    }
    rows: list[dict[str, object]] = [
        {"what": "start and first answer: the service", **EMPTY, "median ms": 1000 * medians["ours", "start"]},
        {"what": "start and first answer: TensorFlow", **EMPTY, "median ms": 1000 * medians["theirs", "start"]},
        {"what": "one request: TensorFlow in process", **EMPTY, "median ms": 1000 * medians["theirs", "median"]},
    ]
    return figures, rows


def _median_rank(ranker: SlateRanker, query: SlateQuery) -> float:
    seconds = []
    for _ in range(200):
        begun = time.perf_counter()
        ranker.rank(query)
        seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds))


EMPTY: dict[str, object] = {"calls": "", "median ms": "", "p99 ms": "", "a second": ""}


def times(seconds: object) -> dict[str, object]:
    """Count, median and 99th percentile of calls."""
    values = 1000 * np.asarray(seconds)
    return {
        "calls": len(values),
        "median ms": float(np.median(values)),
        "p99 ms": float(np.quantile(values, 0.99)),
        "a second": "",
    }


def message_of(query: SlateQuery) -> ranking_pb2.RankSlateRequest:
    """The query as a caller sends it."""
    return ranking_pb2.RankSlateRequest(
        request_id=query.request_id,
        item_ids=query.item_ids,
        context=ranking_pb2.FeatureVector(values=query.context),
        features=ranking_pb2.FeatureMatrix(values=query.features.astype("<f4").tobytes()),
        slate_size=query.slate_size,
    )


@contextmanager
def service(root: Path, workers: int) -> Iterator[str]:
    """The service in processes of its own, on the first cores; yields its address."""
    config = root / "service.yaml"
    # Nothing is refused: a closed load of many callers waits longer than a service would let it.
    config.write_text(json.dumps({"limits": {"queue_ms": 2000}}))
    command = [
        sys.executable,
        "-m",
        "seriatim",
        "serve",
        "--config",
        str(config),
        "--bundles",
        str(root),
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, set(range(SERVICE_CORE, SERVICE_CORE + workers))),
    )
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if line.startswith(READY_LINE))
        yield line.removeprefix(READY_LINE).split(";")[0].strip()
    finally:
        process.terminate()
        process.communicate()


def load(target: str, request: Path, clients: int, rate: float = 0.0) -> dict[str, np.ndarray]:
    """What the load generator saw, in a process on the last core."""
    out = request.with_name("load.npz")
    command = [sys.executable, "-m", "benchmarks.load_generator", "--target", target, "--method", RANK]
    settings = ["--request", request, "--out", out, "--clients", clients, "--rate", rate, "--seconds", LOAD_SECONDS]
    subprocess.run(
        [*command, *map(str, settings)], check=True, preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE})
    )
    with np.load(out) as found:
        if len(found["errors"]):
            raise RuntimeError(f"calls failed: {dict(zip(found['errors'], found['error_counts'], strict=True))}")
        return {"seconds": found["seconds"]}


if __name__ == "__main__":
    main()
