"""How fast does seq2slate train, beside the same model written plainly in PyTorch?

Both take the same optimiser steps (path, objective, gradient, Adam) on the same padded batches with the same
number of threads, in turns within one run; before anything is timed both must agree on greedy paths, values and
gradients from the same weights. `benchmarks/torch_seq2slate.py` is the other side. Ratios above 1 say that ours is
faster; on a machine that does other work besides, the ratio by processor time is the steadier one.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import parse_options, report
from benchmarks.peak_memory import PeakMemory
from benchmarks.ranking_data import as_lists
from pipelines.readers import read_log
from ranking.lists import PaddedLists, RankingLists
from ranking.seq2slate import Seq2Slate, Seq2SlateSettings, decode, greedy_choice
from ranking.seq2slate.batches import bucketed_batches
from ranking.seq2slate.objectives import path_objective
from ranking.seq2slate.training_step import TrainingStep
from ranking.standardisation import Standardisation

NEEDS = {"minutes": 10, "data": ["mq2008"], "by_hand": "it wants a Python with PyTorch, --torch-python"}
MODES = ("greedy", "sampling", "one_step", "reinforce")
DATA = Path("../shared/data/mq2008")
ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-4
HOW_TO_GET_TORCH = (
    "PyTorch is needed to compare with, in an environment of its own: make one (python3.11 -m venv torchvenv), "
    "install torch==2.13.0 into it and give --torch-python torchvenv/bin/python"
)


@dataclass(frozen=True)
class Workload:
    """Padded batches that both sides train on; `turn` names those of one timed turn, `epoch` those of one pass."""

    name: str
    batches: list[PaddedLists]
    turn: list[int]
    epoch: list[int] | None


class TorchSide:
    """The other side's process, see `benchmarks/torch_seq2slate.py`."""

    def __init__(self, python: str, threads: int) -> None:
        command = [python, "-W", "ignore", "-m", "benchmarks.torch_seq2slate", str(threads)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        except OSError as error:
            sys.exit(f"--torch-python: {python} cannot be run ({error.strerror}). {HOW_TO_GET_TORCH}.")

    def ask(self, command: str, arrays: dict[str, np.ndarray] | None = None, **fields: Any) -> dict[str, Any]:
        """Send a command with its arrays and fields; wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        announced = [(name, array.dtype.name, array.shape) for name, array in (arrays or {}).items()]
        message = {"command": command, **fields} | ({"arrays": announced} if announced else {})
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            for array in (arrays or {}).values():
                self._process.stdin.write(np.ascontiguousarray(array).tobytes())
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            sys.exit(f"the PyTorch process ended (its message stands above). {HOW_TO_GET_TORCH}.")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    options = parse_options(
        "seq2slate_training",
        __doc__ or "",
        ("--torch-python", {"help": "an interpreter that has torch", "required": False}),
        ("--data", {"type": Path, "default": DATA, "help": "folder of MQ2008's S1.txt[.gz] ... S3.txt[.gz]"}),
        ("--threads", {"type": int, "default": 1, "help": "threads of either side"}),
        ("--modes", {"nargs": "+", "choices": MODES, "default": list(MODES)}),
        ("--workloads", {"nargs": "+", "default": None, "help": "names of the workloads to run; default: all"}),
        ("--torch-compile", {"action": "store_true", "help": "let PyTorch compile its model"}),
    )
    extra = options.extra
    if extra.torch_python is None:
        sys.exit(f"{HOW_TO_GET_TORCH}.")
    tf.config.threading.set_intra_op_parallelism_threads(extra.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    torch_side = TorchSide(extra.torch_python, extra.threads)
    chosen = [load for load in workloads(extra.data) if extra.workloads is None or load.name in extra.workloads]
    pairs = [(load, mode) for load in chosen for mode in extra.modes]
    rows, version = [], ""
    for load, mode in pairs:
        version, row = _compare(load, mode, torch_side, extra.torch_compile, 60 * options.budget / len(pairs))
        rows.append(row)
        print(row, flush=True)
    torch_side.close()
    figures = {
        f"{row['lists']}_{row['training']}_{name}".replace(" ", "_"): row[name]
        for row in rows
        for name in ("ratio", "by processor time")
    }
    settings = {
        "threads": extra.threads,
        "torch": version,
        "torch_compile": extra.torch_compile,
        "hidden_size": Seq2SlateSettings.hidden_size,
        "batch_size": Seq2SlateSettings.batch_size,
    }
    report(options, settings, figures, rows)


def workloads(mq2008: Path) -> list[Workload]:
    """MQ2008's training part, 128 lists of 100 items with 136 features, 20,000 lists of 20 with 12."""
    settings, rng = Seq2SlateSettings(), np.random.default_rng(0)
    lists = as_lists(read_log([next(mq2008.glob(f"S{part}.txt*")) for part in (1, 2, 3)], "letor"))
    lists = lists.with_features(Standardisation.fit(lists.features).apply(lists.features))
    letor = _batches(lists.with_clicks((lists.grades >= 1).astype(np.float32)), settings, rng)
    market = _batches(_random_lists(20_000, 20, 12, rng), settings, rng)
    return [
        Workload("MQ2008", letor, list(range(len(letor))), list(range(len(letor)))),
        Workload("100 items", _batches(_random_lists(128, 100, 136, rng), settings, rng), [0], None),
        Workload("20 items", market, list(range(8)), list(range(len(market)))),
    ]


def _batches(lists: RankingLists, settings: Seq2SlateSettings, rng: np.random.Generator) -> list[PaddedLists]:
    return [lists.select(chosen).padded() for chosen in bucketed_batches(lists.list_sizes, settings.batch_size, rng)]


def _random_lists(count: int, list_size: int, features: int, rng: np.random.Generator) -> RankingLists:
    """Normal features; a quarter of the items clicked."""
    items = count * list_size
    return RankingLists(
        request_ids=np.arange(count).astype(object),
        offsets=np.arange(count + 1) * list_size,
        item_ids=np.arange(items).astype(object),
        features=rng.normal(size=(items, features)).astype(np.float32),
        feature_names=tuple(f"feature_{index}" for index in range(features)),
        clicks=(rng.random(items) < 0.25).astype(np.float32),
    )


def _compare(
    load: Workload, mode: Any, torch_side: TorchSide, compiled: bool, seconds: float
) -> tuple[str, dict[str, Any]]:
    """One row: both sides in turns for `seconds`, at least three turns."""
    settings = Seq2SlateSettings(training=mode)
    model = Seq2Slate.from_settings(load.batches[0].features.shape[2], settings)
    steps = max(batch.mask.shape[1] for batch in load.batches)
    ours = TrainingStep(model, settings, steps)
    version = torch_side.ask(
        "start",
        {name: variable.numpy() for name, variable in _variables(model).items()},
        settings=dataclasses.asdict(settings) | {"steps": ours.steps, "compiled": compiled},
    )["version"]
    for batch in load.batches:
        torch_side.ask("add_batch", {"features": batch.features, "mask": batch.mask, "labels": batch.labels})
    _check_agreement(model, load.batches[0], settings, ours.steps, torch_side)
    # The first pass compiles on our side, and warms both.
    first = _train(ours, load, load.turn)["seconds"]
    torch_first = torch_side.ask("train", indices=load.turn)["seconds"]
    turns: list[tuple[dict[str, Any], dict[str, Any]]] = []
    end = time.monotonic() + seconds
    while len(turns) < 3 or time.monotonic() < end:
        # Who goes first alternates.
        if len(turns) % 2:
            theirs = torch_side.ask("train", indices=load.turn)
            turns.append((_train(ours, load, load.turn), theirs))
        else:
            turns.append((_train(ours, load, load.turn), torch_side.ask("train", indices=load.turn)))
    lists = sum(len(load.batches[index].mask) for index in load.turn)
    ratio, low, high = _median_interval([theirs["seconds"] / own["seconds"] for own, theirs in turns])
    processor, processor_low, processor_high = _median_interval(
        [theirs["processor_seconds"] / own["processor_seconds"] for own, theirs in turns]
    )
    memory = PeakMemory()
    _train(ours, load, load.turn)
    peak = memory.mebibytes()
    epochs = {"epoch s": "", "PyTorch epoch s": ""}
    if load.epoch is not None:
        # A last, smaller batch is a shape that the turns had not: it is compiled outside the clock.
        _train(ours, load, [min(load.epoch, key=lambda index: len(load.batches[index].mask))])
        epochs = {
            "epoch s": _train(ours, load, load.epoch)["seconds"],
            "PyTorch epoch s": torch_side.ask("train", indices=load.epoch)["seconds"],
        }
    return version, {
        "lists": load.name,
        "training": mode,
        "turns": len(turns),
        "lists/s": lists / float(np.median([own["seconds"] for own, _ in turns])),
        "PyTorch lists/s": lists / float(np.median([theirs["seconds"] for _, theirs in turns])),
        "ratio": ratio,
        "of that 95 %": f"{low:.2f} to {high:.2f}",
        "by processor time": processor,
        "of this 95 %": f"{processor_low:.2f} to {processor_high:.2f}",
        "peak MiB": peak,
        "PyTorch peak MiB": torch_side.ask("peak_memory", indices=load.turn)["mebibytes"],
        "first pass s": first,
        "PyTorch first pass s": torch_first,
        **epochs,
    }


def _train(ours: TrainingStep, load: Workload, indices: list[int]) -> dict[str, float]:
    start, processor = time.perf_counter(), time.process_time()
    values = [ours(load.batches[index]) for index in indices]
    finite = bool(np.isfinite([float(value) for value in values]).all())
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - processor,
        "finite": finite,
    }


def _variables(model: Seq2Slate) -> dict[str, tf.Variable]:
    """The model's variables under the names of the other side, matrices as `[in, out]`."""
    names = ("kernel", "recurrent", "bias")
    cells = (("encoder", model.encoder.lstm), ("decoder", model.decoder))
    variables = {
        f"{cell}_{name}": value
        for cell, layer in cells
        for name, value in zip(names, layer.trainable_variables, strict=True)
    }
    return variables | {
        "encoder_projection": model.encoder_projection.kernel,
        "decoder_projection": model.decoder_projection.kernel,
        "go": model.first_input,
        "v": model.attention,
    }


def _check_agreement(
    model: Seq2Slate, batch: PaddedLists, settings: Seq2SlateSettings, steps: int, torch_side: TorchSide
) -> None:
    """End the program unless both sides take the same greedy path and have the same value and gradients on it."""
    baseline = tf.fill([steps], np.nan)
    variables = _variables(model)
    with tf.GradientTape() as tape:
        decoded = decode(model, tf.constant(batch.features), tf.constant(batch.mask), steps, greedy_choice())
        objective = path_objective(decoded, tf.constant(batch.labels), settings, baseline)
        surrogate = tf.reduce_mean(objective.surrogate)
    gradients = tape.gradient(surrogate, variables)
    order = decoded.order.numpy()[:, : batch.mask.shape[1]]
    theirs = torch_side.ask("check", {"order": order})
    pairs = {"value": (float(tf.reduce_mean(objective.value)), theirs["value"])}
    pairs |= {
        f"gradient of {name}": (float(tf.norm(gradient)), theirs["gradient_norms"][name])
        for name, gradient in gradients.items()
    }
    for name, (own, other) in pairs.items():
        if not abs(own - other) <= TOLERANCE * max(1, abs(own)):
            sys.exit(f"{settings.training}: the {name} is {own:.6g} here and {other:.6g} in PyTorch; nothing was timed")
    if (np.where(order >= 0, theirs["greedy"], -1) != order).mean() > TOLERANCE * order.size:
        sys.exit(f"{settings.training}: the greedy paths differ; nothing was timed")


def _median_interval(values: list[float]) -> tuple[float, float, float]:
    """Median with the percentile bootstrap interval of 95 %."""
    draws = np.random.default_rng(0).choice(values, (2000, len(values)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return float(np.median(values)), float(low), float(high)


if __name__ == "__main__":
    main()
