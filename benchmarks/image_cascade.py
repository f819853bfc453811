"""Images through a cascade of two convolutional networks: requests that share batches against one request at a time.

Callers send one image each and wait for its scores. All ways take turns within one run, so that what else the machine
does touches all alike. The networks have random weights: what they say means nothing, what they cost does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from benchmarks.harness import parse_options, report
from ranking.onnx_builder import OnnxBuilder
from serving.images.batch_times import BatchTimes
from serving.images.decoding import prepared
from serving.images.loading import warm_up
from serving.images.manifest import CascadeManifest, CascadeStage, InputSize
from serving.images.reference import NumpyCascade
from serving.images.routing import judge
from serving.images.runtime import DECODERS, CascadeRuntime
from serving.images.stage_graph import StageGraph
from serving.images.statistics import StageRun

NEEDS = {"minutes": 2, "least": 1}
CLASSES, IMAGES, BUCKETS = 10, 256, (1, 2, 4, 8, 16, 32)
# By what they are for: of each stage the side of the input, and channels of the convolutions, each of which halves it.
NETWORKS = {
    "thumbnails": ((32, (16, 32, 64)), (32, (32, 64, 128, 128))),
    "photos": ((128, (32, 64, 128, 128)), (224, (32, 64, 128, 256, 256))),
}
Networks = Sequence[tuple[int, Sequence[int]]]
ESCALATED = 0.3
CONCURRENCIES = (1, 8, 32)
DELAYS_MS = (0.0, 2.0, 20.0)
MOST_MINUTES = 1.8
ONE = "one request at a time"
Score = Callable[[NDArray[np.uint8]], Awaitable[object]]


@dataclass
class Measured:
    """Of one way at one concurrency: seconds of every call, seconds of all turns, and the batches that were run."""

    calls: list[float] = field(default_factory=list)
    seconds: float = 0.0
    runs: list[StageRun] = field(default_factory=list)


def main() -> None:
    options = parse_options("image_cascade", __doc__ or "")
    budget = 60 * min(options.budget, MOST_MINUTES) / len(NETWORKS)
    figures: dict[str, float] = {}
    rows: list[dict[str, object]] = []
    costs = {}
    for kind, networks in NETWORKS.items():
        images = _images(networks[-1][0])
        with tempfile.TemporaryDirectory() as name:
            manifest, graphs = _cascade(Path(name), networks, images)
            measured = asyncio.run(_measure(manifest, graphs, images, 0.9 * budget))
        found, table = _summary(measured)
        figures |= {f"{kind}_{name}": value for name, value in found.items()}
        rows += [{"images": kind, **row} for row in table]
        costs[kind] = [stage.cost for stage in manifest.stages]
    settings = {
        "images_a_request": 1,
        "multiply_adds": costs,
        "escalated": ESCALATED,
        "buckets": list(BUCKETS),
        "decoder_threads": DECODERS,
        "onnx_threads": 1,
    }
    report(options, settings, figures, rows)


class OneAtATime:
    """The same graphs without queues: a request goes through all its stages before the next begins."""

    def __init__(self, manifest: CascadeManifest, graphs: Sequence[StageGraph]) -> None:
        self._manifest, self._graphs = manifest, graphs
        self._sizes = [graph.size for graph in graphs]
        self._free = asyncio.Lock()
        self._decoders, self._worker = ThreadPoolExecutor(DECODERS), ThreadPoolExecutor(1)

    async def score(self, image: NDArray[np.uint8]) -> object:
        """Scores of one image."""
        loop = asyncio.get_running_loop()
        pixels = await loop.run_in_executor(self._decoders, prepared, image, self._sizes, "image")
        async with self._free:
            return await loop.run_in_executor(self._worker, self._run, pixels)

    def _run(self, pixels: Sequence[NDArray[np.uint8]]) -> object:
        totals = None
        for stage, graph in enumerate(self._graphs):
            verdict = judge(self._manifest, stage, totals, graph.run([pixels[stage]]).probabilities)
            totals = verdict.totals
            if verdict.leaving[0]:
                break
        return verdict

    def close(self) -> None:
        """Join the threads."""
        self._decoders.shutdown()
        self._worker.shutdown()


async def _measure(
    manifest: CascadeManifest, graphs: Sequence[StageGraph], images: NDArray[np.uint8], budget: float
) -> dict[tuple[int, str], Measured]:
    measured: dict[tuple[int, str], Measured] = {}
    runs: list[StageRun] = []
    one = OneAtATime(manifest, graphs)
    runtimes = {}
    for delay in DELAYS_MS:
        times = BatchTimes(BUCKETS)
        warm_up(graphs, times)
        runtimes[f"merged, delay {delay:g} ms"] = CascadeRuntime(
            manifest, graphs, times, delay / 1000, observe=lambda run: runs.append(run)
        )
    ways: dict[str, Score] = {ONE: one.score}
    ways |= {name: _single(runtime) for name, runtime in runtimes.items()}
    turn = min(1.0, budget / (3 * len(ways) * len(CONCURRENCIES)))
    end = time.monotonic() + budget
    while time.monotonic() < end - turn * len(ways) * len(CONCURRENCIES):
        for concurrency in CONCURRENCIES:
            for name, score in ways.items():
                runs.clear()
                entry = measured.setdefault((concurrency, name), Measured())
                entry.seconds += await _turn(score, images, concurrency, turn, entry.calls)
                entry.runs += runs
    one.close()
    for runtime in runtimes.values():
        await runtime.close()
    return measured


def _single(runtime: CascadeRuntime) -> Score:
    async def score(image: NDArray[np.uint8]) -> object:
        return await runtime.score([image])

    return score


async def _turn(score: Score, images: NDArray[np.uint8], concurrency: int, seconds: float, calls: list[float]) -> float:
    """Callers that send an image when they have the scores of the last; returns the seconds until all are done."""
    begun = time.perf_counter()

    async def caller(place: int) -> None:
        while time.perf_counter() - begun < seconds:
            start = time.perf_counter()
            await score(images[place % len(images)])
            calls.append(time.perf_counter() - start)
            place += concurrency

    await asyncio.gather(*map(caller, range(concurrency)))
    return time.perf_counter() - begun


def _summary(measured: dict[tuple[int, str], Measured]) -> tuple[dict[str, float], list[dict[str, object]]]:
    figures: dict[str, float] = {}
    rows: list[dict[str, object]] = []
    for (concurrency, name), entry in measured.items():
        milliseconds = 1000 * np.array(entry.calls)
        base = measured[concurrency, ONE]
        throughput = len(entry.calls) / entry.seconds
        ratio = throughput / (len(base.calls) / base.seconds)
        median = float(np.median(milliseconds))
        rows.append(
            {
                "callers": concurrency,
                "way": name,
                "images/s": throughput,
                "median ms": median,
                "p99 ms": float(np.quantile(milliseconds, 0.99)),
                "rows a batch, stage 0": _mean_rows(entry.runs, 0),
                "rows a batch, stage 1": _mean_rows(entry.runs, 1),
                "throughput ratio": ratio,
                "median ratio": median / (1000 * float(np.median(base.calls))),
            }
        )
        if name != ONE:
            key = f"{name.removeprefix('merged, ').replace(' ', '_')}_at_{concurrency}"
            figures[f"throughput_{key}"] = ratio
            figures[f"median_{key}"] = median / (1000 * float(np.median(base.calls)))
    return figures, rows


def _mean_rows(runs: Sequence[StageRun], stage: int) -> float:
    counts = [len(run.batch.rows) for run in runs if run.batch.stage == stage]
    return float(np.mean(counts)) if counts else 1.0


def _images(side: int) -> NDArray[np.uint8]:
    """Noise around random colours, in the size of the last stage, so that little time goes into resizing."""
    rng = np.random.default_rng(0)
    colours = rng.uniform(20, 235, size=(IMAGES, 1, 1, 3))
    return np.clip(rng.normal(colours, 40, size=(IMAGES, side, side, 3)), 0, 255).astype(np.uint8)


def _cascade(folder: Path, networks: Networks, images: NDArray[np.uint8]) -> tuple[CascadeManifest, list[StageGraph]]:
    """Two networks, and the threshold that escalates the wanted share of the images."""
    graphs, stages = [], []
    for place, (side, channels) in enumerate(networks):
        size = InputSize(height=side, width=side)
        path = folder / f"stage_{place}.onnx"
        cost = _write_network(path, side, channels, seed=place)
        graphs.append(StageGraph(path, size, CLASSES))
        threshold = 0.5 if place + 1 < len(networks) else None
        stages.append(CascadeStage(file=path.name, threshold=threshold, cost=cost, input_size=size))
    names = tuple(f"class-{place}" for place in range(CLASSES))
    manifest = CascadeManifest(version="benchmark", class_names=names, stages=tuple(stages))
    reference = NumpyCascade(manifest, graphs)
    confidences = [reference.stage_scores(image)[0].confidence for image in images[:64]]
    threshold = float(np.quantile(confidences, ESCALATED))
    stages[0] = stages[0].model_copy(update={"threshold": threshold})
    return manifest.model_copy(update={"stages": tuple(stages)}), graphs


def _write_network(path: Path, side: int, channels: Sequence[int], seed: int) -> int:
    """Write a network of convolutions, a global mean and a linear layer; returns its multiply-adds."""
    rng, graph, cost = np.random.default_rng(seed), OnnxBuilder(), 0
    pixels = graph.add("Cast", "images", to=TensorProto.FLOAT)
    scaled = graph.add("Div", pixels, graph.constant(np.float32(255), "white"))
    values, width, before = graph.add("Transpose", scaled, perm=[0, 3, 1, 2]), side, 3
    for place, count in enumerate(channels):
        weights = rng.normal(size=(count, before, 3, 3)) * np.sqrt(2 / (9 * before))
        kernel = graph.constant(weights.astype(np.float32), f"kernel_{place}")
        values = graph.add("Relu", graph.add("Conv", values, kernel, strides=[2, 2], pads=[1, 1, 1, 1]))
        width //= 2
        cost += width * width * count * before * 9
        before = count
    mean = graph.add("ReduceMean", values, axes=[2, 3], keepdims=0)
    weights = rng.normal(size=(before, CLASSES)).astype(np.float32)
    logits = graph.add("MatMul", mean, graph.constant(weights, "weights"))
    graph.rename(graph.add("Softmax", logits, axis=1), "probabilities")
    model = graph.model(
        "network",
        [("images", TensorProto.UINT8, ["batch", side, side, 3])],
        [("probabilities", TensorProto.FLOAT, ["batch", CLASSES])],
    )
    path.write_bytes(model.SerializeToString())
    return cost + before * CLASSES


if __name__ == "__main__":
    main()
