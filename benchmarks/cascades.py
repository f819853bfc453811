"""Cascades of residual networks on CIFAR-10: accuracy against multiply-adds and against measured time.

The pool is trained for `--budget` minutes, all members for as many epochs, and kept in `--work`: a longer budget trains
better networks. With `--plan` it is only described there, for `benchmarks.torch_training` to train on a GPU; the next
run uses those weights. Everything is chosen on held-out training images and reported on test images. Predictions and
times are those of the exported graphs in ONNX Runtime at one thread; all ways take turns within one run, in batches of
64.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cascade_pool import SELF, plan_pool, trained_pool
from benchmarks.cascade_ways import (
    Searched,
    Way,
    accuracy,
    best_single,
    cautious,
    cheapest,
    ensembles,
    front,
    paired_difference,
    worst_cost,
)
from benchmarks.cifar10 import SIDE, read_cifar10
from benchmarks.exported_members import MemberGraph, member_graph
from benchmarks.harness import parse_options, report
from benchmarks.network_plan import PLAN, trained_on
from vision_components.committees import confidence_of, costs_of

NEEDS = {"minutes": 75, "least": 30, "data": ["cifar10"], "work": True}
BATCH, TIMED_IMAGES, ROUNDS = 64, 1280, 7
MILLION = 1e6


def main() -> None:
    options = parse_options(
        "cascades",
        __doc__ or "",
        ("--data", {"type": Path, "default": Path("../shared/data/cifar10"), "help": "folder of CIFAR-10's tar files"}),
        ("--work", {"type": Path, "default": Path("runs/cascades"), "help": "folder of trained networks"}),
        PLAN,
    )
    data = read_cifar10(options.extra.data)
    if options.extra.plan:
        plan_pool(options.extra.work, len(data.names))
        return
    models, epochs = trained_pool(data, options.extra.work, options.budget)
    graphs = {}
    for name, model in models.items():
        for side in SELF.sides if name == SELF.name else (SIDE,):
            full = f"{name}@{side}" if name == SELF.name else name
            graphs[full] = member_graph(model, full, side, options.extra.work, data.held_out.pixels)
    costs = {name: graph.cost for name, graph in graphs.items()}
    held_out = {name: graph.predicted(data.held_out.pixels) for name, graph in graphs.items()}
    test = {name: graph.predicted(data.test.pixels) for name, graph in graphs.items()}
    ways = _chosen(held_out, data.held_out.classes, costs)
    seconds = _timed([way for way in ways if way.kind != "on the front"], graphs, data.test.pixels[:TIMED_IMAGES])
    rows = [
        _row(way, held_out, test, data.held_out.classes, data.test.classes, costs, seconds.get(way)) for way in ways
    ]
    figures = _figures(ways, rows, test, data.test.classes)
    settings = {
        "epochs": epochs,
        "training_images": len(data.train),
        "held_out_images": len(data.held_out),
        "test_images": len(data.test),
        "batch": BATCH,
        "onnx_threads": 1,
        **trained_on(options.extra.work),
    }
    report(options, settings, figures, rows)


def _chosen(
    held_out: Mapping[str, NDArray[np.float32]], classes: NDArray[np.int64], costs: Mapping[str, int]
) -> list[Way]:
    """All ways: singles, the best ensemble at or below each single's cost, cascades, and the front."""
    own = {name: values for name, values in held_out.items() if "@" not in name}
    selves = {name: values for name, values in held_out.items() if "@" in name}
    singles = [Way("single", (name,)) for name in sorted(held_out, key=lambda name: costs[name])]
    best, full = best_single(own, classes), best_single(selves, classes)
    ways = [*singles, *_best_ensembles(own, classes, costs)]
    search = Searched.of(own, classes, costs)
    for single in sorted(own, key=lambda name: costs[name]):
        if costs[single] > min(costs[name] for name in own):
            ways.append(cheapest(search, single, False, "cascade"))
    ways += cautious(search, cheapest(search, best, False, "cascade"))
    ways.append(cheapest(search, best, True, "guarded cascade"))
    ways.append(cheapest(Searched.of(selves, classes, costs), full, False, "self-cascade"))
    return list(dict.fromkeys([*ways, *front(search)]))


def _best_ensembles(
    held_out: Mapping[str, NDArray[np.float32]], classes: NDArray[np.int64], costs: Mapping[str, int]
) -> list[Way]:
    """Ensembles that no cheaper ensemble matches on held-out rows."""
    kept: list[Way] = []
    best = -1.0
    for way in sorted(ensembles(held_out, costs), key=lambda way: worst_cost(way.members, costs)):
        reached = accuracy(way.routed(held_out).probabilities, classes)
        if reached > best:
            kept.append(way)
            best = reached
    return kept


def _timed(ways: list[Way], graphs: Mapping[str, MemberGraph], pixels: NDArray[np.uint8]) -> dict[Way, float]:
    """Seconds of an image by way, the median over rounds; batches are compacted from stage to stage."""
    sized = {name: graph.sized(pixels) for name, graph in graphs.items()}
    measured: dict[Way, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS + 1):
        for way, rounds in measured.items():
            begun = time.perf_counter()
            for start in range(0, len(pixels), BATCH):
                _classify(way, graphs, sized, np.arange(start, min(start + BATCH, len(pixels))))
            rounds.append((time.perf_counter() - begun) / len(pixels))
    # The first round finds cold caches and unallocated memory.
    return {way: float(np.median(rounds[1:])) for way, rounds in measured.items()}


def _classify(
    way: Way, graphs: Mapping[str, MemberGraph], sized: Mapping[str, NDArray[np.uint8]], rows: NDArray[np.int64]
) -> None:
    totals = np.float32(0)
    for stage, name in enumerate(way.members):
        own = graphs[name].probabilities(sized[name][rows])
        totals = totals + own
        if stage == len(way.thresholds):
            return
        answer = totals / np.float32(stage + 1) if way.combine == "mean" else own
        goes_on = confidence_of(answer, way.confidence) < np.float32(way.thresholds[stage])  # type: ignore[arg-type]
        rows, totals = rows[goes_on], totals[goes_on]
        if not len(rows):
            return


def _row(
    way: Way,
    held_out: Mapping[str, NDArray[np.float32]],
    test: Mapping[str, NDArray[np.float32]],
    chosen_by: NDArray[np.int64],
    classes: NDArray[np.int64],
    costs: Mapping[str, int],
    seconds: float | None,
) -> dict[str, Any]:
    routed = way.routed(test)
    spent = costs_of(routed.exit_stage, [costs[name] for name in way.members])
    reached = accuracy(routed.probabilities, classes)
    return {
        "kind": way.kind,
        "members": ", ".join(way.members),
        "replaces": way.replaces,
        "thresholds": ", ".join(f"{value:.3f}" for value in way.thresholds) if way.kind != "ensemble" else "",
        "combine": way.combine if len(way.members) > 1 else "",
        "confidence": way.confidence if way.kind not in ("single", "ensemble") else "",
        "held-out accuracy": accuracy(way.routed(held_out).probabilities, chosen_by),
        "test accuracy": reached,
        "standard error": float(np.sqrt(reached * (1 - reached) / len(classes))),
        "expected million multiply-adds": spent.expected / MILLION,
        "worst": spent.worst / MILLION,
        "images/s": "" if seconds is None else 1 / seconds,
    }


def _figures(
    ways: list[Way], rows: list[dict[str, Any]], test: Mapping[str, NDArray[np.float32]], classes: NDArray[np.int64]
) -> dict[str, float]:
    """What each cascade saves over the single that it replaces."""
    single = {way.members[0]: row for way, row in zip(ways, rows, strict=True) if way.kind == "single"}
    figures = {}
    for way, row in zip(ways, rows, strict=True):
        if not way.replaces:
            continue
        replaced = single[way.replaces]
        key = f"{way.kind.replace(' ', '_').replace('-', '_')}_for_{way.replaces}"
        difference, error = paired_difference(way.routed(test).probabilities, test[way.replaces], classes)
        expected = "expected million multiply-adds"
        figures[f"{key}_times_fewer_multiply_adds"] = replaced[expected] / row[expected]
        figures[f"{key}_times_the_throughput"] = row["images/s"] / replaced["images/s"]
        figures[f"{key}_worst_case"] = row["worst"] / replaced["worst"]
        figures[f"{key}_accuracy_difference"] = difference
        figures[f"{key}_standard_error"] = error
    return figures


if __name__ == "__main__":
    main()
