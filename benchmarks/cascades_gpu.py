"""An exported cascade on a device: batches through the last stage alone, through all stages, and with early exit.

`python -m benchmarks.cascades_gpu --cascade FOLDER --provider cuda` needs numpy and ONNX Runtime and nothing else that
has to be installed; with `--provider torch` the same graphs run in PyTorch, on a GPU where it finds one. A call begins
with rows of uint8 images in the sizes of the stages and ends with probabilities, both in the host's memory; decoding
and resizing are outside. All ways take turns within one run, so that what else the machine does touches all alike.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.exported_cascade import (
    NEVER,
    PROVIDERS,
    RESIZING,
    TORCH,
    Read,
    Routing,
    Rows,
    Stages,
    UnusableError,
    open_stage,
    read_arrays,
    read_manifest,
    run_cascade,
)
from benchmarks.harness import Options, parse_options, report

NEEDS = {"minutes": 3, "by_hand": "it wants a GPU and an exported cascade, --cascade"}
BATCHES, MERGED_BATCH, MERGED_BATCHES = (1, 32, 256), 32, 4
ALONE, ALL, EARLY, MERGED = "last stage alone", "all stages", "cascade", f"cascade, {MERGED_BATCHES} merged"
POOL, WARM_RUNS, LONGEST_TURN = 512, 2, 0.5
# Size of a batch, name, and batches of a call.
Way = tuple[int, str, int]


@dataclass
class Measured:
    """Of one way: seconds of every call, images of all calls, and how many of them the last stage read."""

    calls: list[float] = field(default_factory=list)
    images: int = 0
    read_by_last: int = 0


def main() -> None:
    options = parse_options(
        "cascades_gpu",
        __doc__ or "",
        ("--cascade", {"type": Path, "required": True, "help": "folder of an exported cascade"}),
        ("--provider", {"choices": list(PROVIDERS), "default": "cuda", "help": "what it runs on"}),
        ("--images", {"type": Path, "help": "NPZ file with uint8 images; the golden ones where not given"}),
        ("--exit-rate", {"type": float, "help": "share of a stage's rows to leave there, in place of thresholds"}),
    )
    try:
        _run(options, time.monotonic() + 60 * options.budget)
    except UnusableError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def with_exit_rate(read: Read, images: int, routing: Routing, rate: float) -> Routing:
    """Routing with the thresholds at which a share of the images that come to a stage leaves there.

    Args:
        read: a stage's probabilities of some rows.
        images: how many rows there are.
        routing: its thresholds are replaced.
        rate: the share, 0 to 1; more leave where confidences are equal.

    Raises:
        UnusableError: the rate is no share.
    """
    if not 0 <= rate <= 1:
        raise UnusableError(f"--exit-rate {rate}; give a share from 0 to 1")
    found, largest = replace(routing, thresholds=()), max(BATCHES)
    batches = [np.arange(start, min(start + largest, images)) for start in range(0, images, largest)]
    for stage in range(len(routing.thresholds)):
        # So far this is the last stage: whoever comes to it, stays.
        answers = [run_cascade(read, [batch], found) for batch in batches]
        sure = np.sort(np.concatenate([answer.confidence[answer.exit_stage == stage] for answer in answers]))
        leaving = round(rate * len(sure))
        found = replace(found, thresholds=(*found.thresholds, float(sure[-leaving]) if leaving else NEVER))
    return found


def _run(options: Options, end: float) -> None:
    given = options.extra
    manifest, routing = read_manifest(given.cascade)
    golden, promised = read_arrays(given.cascade / "golden_images.npz", "images", "probabilities")
    images = _pool(read_arrays(given.images, "images")[0] if given.images else golden)
    sessions = [open_stage(given.cascade / stage["file"], given.provider) for stage in manifest["stages"]]
    stages = Stages(sessions, images)
    for stage in range(len(sessions)):
        for power in range(max(BATCHES).bit_length()):
            for _ in range(WARM_RUNS):
                stages.read(stage, np.arange(1 << power))
    if given.exit_rate is not None:
        routing = with_exit_rate(stages.read, len(images), routing, given.exit_rate)
    figures, rows = _summary(_take_turns(stages.read, len(images), routing, end))
    exported = Stages(sessions, golden)
    said = [exported.read(stage, np.arange(len(golden))) for stage in range(len(sessions))]
    figures["golden_difference"] = float(np.abs(np.stack(said, axis=1) - promised).max())
    settings = {
        "provider": given.provider,
        **({"gpu": _gpu()} if given.provider in ("cuda", TORCH) else {}),
        "cascade": manifest["version"],
        "multiply_adds": [stage["cost"] for stage in manifest["stages"]],
        "heights": [stage["input_size"]["height"] for stage in manifest["stages"]],
        "exit_rate": "as exported" if given.exit_rate is None else given.exit_rate,
        "thresholds": [round(threshold, 4) for threshold in routing.thresholds],
        "resizing": RESIZING,
        "onnx_threads": 1,
    }
    report(options, settings, figures, rows)


def _take_turns(read: Read, images: int, routing: Routing, end: float) -> dict[Way, Measured]:
    """Every way goes through the images in the same order, for a short while in each round and at least once."""
    last = len(routing.thresholds)
    never = replace(routing, thresholds=(NEVER,) * last)
    run: dict[str, Callable[[Sequence[Rows]], Rows]] = {
        ALONE: lambda batches: np.full(len(read(last, batches[0])), last),
        ALL: lambda batches: run_cascade(read, batches, never).exit_stage,
        EARLY: lambda batches: run_cascade(read, batches, routing).exit_stage,
    }
    measured = {(batch, name, 1): Measured() for batch in BATCHES for name in run}
    measured[MERGED_BATCH, MERGED, MERGED_BATCHES] = Measured()
    run[MERGED] = run[EARLY]
    turn = min(LONGEST_TURN, max(0.0, end - time.monotonic()) / (3 * len(measured)))
    while True:
        for (batch, name, batches), entry in measured.items():
            begun = done = time.perf_counter()
            while not entry.calls or done < begun + turn:
                rows = np.split(np.arange(entry.images, entry.images + batch * batches) % images, batches)
                start = time.perf_counter()
                exits = run[name](rows)
                done = time.perf_counter()
                entry.calls.append(done - start)
                entry.images += len(exits)
                entry.read_by_last += int((exits == last).sum())
        if time.monotonic() + turn * len(measured) > end:
            return measured


def _summary(measured: Mapping[Way, Measured]) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Ratios are to the last stage alone with batches of this size; a merged call lasts until all are answered."""
    figures: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    for (batch, name, batches), entry in measured.items():
        base = measured[batch, ALONE, 1]
        median, throughput = float(np.median(entry.calls)), entry.images / sum(entry.calls)
        ratios = (throughput * sum(base.calls) / base.images, median / float(np.median(base.calls)))
        rows.append(
            {
                "batch": batch,
                "way": name,
                "batches a call": batches,
                "calls": len(entry.calls),
                "median ms": 1000 * median,
                "p99 ms": 1000 * float(np.quantile(entry.calls, 0.99)),
                "images/s": throughput,
                "read by the last": entry.read_by_last / entry.images,
                "throughput ratio": ratios[0],
                "median ratio": ratios[1],
            }
        )
        if name != ALONE:
            key = f"{name.replace(',', '').replace(' ', '_')}_at_{batch}"
            figures[f"throughput_{key}"], figures[f"median_{key}"] = ratios
    return figures, rows


def _pool(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The images in random order, with shifted and noisy copies where they are few."""
    rng = np.random.default_rng(0)
    copies = [_altered(images[place % len(images)], rng) for place in range(len(images), POOL)]
    pool = np.stack([*images, *copies])
    return pool[rng.permutation(len(pool))]


def _altered(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    furthest = image.shape[0] // 8
    shift = rng.integers(-furthest, furthest + 1, size=2)
    noise = rng.integers(-16, 17, size=image.shape, dtype=np.int16)
    return np.clip(np.roll(image, shift, axis=(0, 1)) + noise, 0, 255).astype(np.uint8)


def _gpu() -> str:
    if shutil.which("nvidia-smi") is None:
        return "unknown"
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
