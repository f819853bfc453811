"""Structured multi-hashing on CIFAR-10 beside narrower networks and plain hashing of the same size.

Equal size is by all trainable variables: pool, scales, batch normalisation and biases. Every method and size is trained
from scratch with the same batches for each seed, for as many epochs as `--budget` minutes allow, and what was trained
is kept in `--work`. With `--plan` the networks are only described there, for `benchmarks.torch_training` to train on a
GPU; the next run reports on its results. Step times of hashed and dense networks are measured in turns within one run.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.cifar10 import Cifar10, Images, read_cifar10
from benchmarks.harness import parse_options, report
from benchmarks.image_training import PRECISION, accuracy, epoch_seconds, precision, trained
from benchmarks.network_plan import PLAN, network_plan, require_trained, trained_on, write_plan
from benchmarks.paired_interval import paired_interval
from benchmarks.step_times import step_time_ratio
from vision_components.backbones import resnet
from vision_components.multi_hashing import hash_model, sizes_of

NEEDS = {
    "minutes": 120,
    "least": 3,
    "small": ["--depth", "8", "--images", "1000", "--seeds", "1"],
    "data": ["cifar10"],
    "work": True,
}
SHARES = (0.5, 0.25, 0.1)
STRUCTURED, NARROWER, PLAIN, DENSE = "structured multi-hashing", "narrower network", "plain hashing", "dense"
METHODS = (STRUCTURED, NARROWER, PLAIN)
# Peak rates, and how many times faster the variables of a pool learn; of several the first seed chooses by held-out
# images. In trainings of ten epochs on 45,000 images, networks without a pool did better with 0.3 than with 0.15 at
# all sizes, and plain pools with 16 than with 64 at three of four; at 25 % 64 won, and was
# unstable with another seed.
USUAL = [{"peak_rate": 0.3}]
STRUCTURED_RATES = [{"pool_rate": 4.0}, {"pool_rate": 8.0}]
RATES = {STRUCTURED: STRUCTURED_RATES, PLAIN: [{"pool_rate": 16.0}], NARROWER: USUAL, DENSE: USUAL}
RESULTS = "results.jsonl"
RATE_NAMES = ("peak_rate", "pool_rate")
CLASSES, WIDTH, SPARE = 10, 16, 0.85


@dataclass(frozen=True)
class Trial:
    """A network to train: a method, its share of the dense network's variables, and a seed."""

    method: str
    share: float
    seed: int

    @property
    def key(self) -> str:
        """As results are kept under."""
        return f"{self.method} {self.share:g} {self.seed}"

    @property
    def first(self) -> Trial:
        """The same with the first seed, which chooses the rates for all."""
        return Trial(self.method, self.share, 0)


def main() -> None:
    options = parse_options(
        "multi_hashing",
        __doc__ or "",
        ("--data", {"type": Path, "default": Path("../shared/data/cifar10"), "help": "folder of CIFAR-10's tar files"}),
        ("--work", {"type": Path, "default": Path("runs/multi_hashing"), "help": "folder of results so far"}),
        ("--depth", {"type": int, "default": 20, "help": "layers of the residual network"}),
        ("--images", {"type": int, "default": 15000, "help": "training images"}),
        ("--seeds", {"type": int, "default": 3, "help": "trainings of each"}),
        ("--epochs", {"type": int, "help": "passes over the images, in place of the budget"}),
        PRECISION,
        PLAN,
    )
    given = options.extra
    given.work.mkdir(parents=True, exist_ok=True)
    data = read_cifar10(given.data)
    train = data.train.take(np.arange(given.images))
    kinds = [(m, 1.0) for m in (DENSE, STRUCTURED, PLAIN)] + [(m, share) for share in SHARES for m in METHODS]
    trials = [Trial(method, share, seed) for seed in range(given.seeds) for method, share in kinds]
    if given.plan:
        write_plan(given.work, [_planned(trial, given.depth, given.work) for trial in trials])
        return
    elsewhere = trained_on(given.work)
    epochs = (
        elsewhere.get("epochs")
        or given.epochs
        or _epochs(given.work, trials, train, given.depth, options.budget, given.precision)
    )
    require_trained(given.work, [trial.key for trial in trials], _kept(given.work))
    results: dict[Trial, dict[str, float]] = {}
    for trial in trials:
        first = results.get(trial.first)
        rates = RATES[trial.method] if first is None else [{name: first[name] for name in RATE_NAMES if name in first}]
        results[trial] = _result(trial, rates, train, data, given.depth, epochs, given.work, given.precision)
    rows, figures = summary(results)
    dense = resnet(given.depth, CLASSES, width=WIDTH)
    for share in (1.0, *SHARES):
        hashed = hash_model(dense, fraction=share)
        figures[f"step_time_ratio_at_{share:g}"] = step_time_ratio(hashed, dense, train)
    settings = {
        "network": f"resnet{given.depth}_{WIDTH}",
        "training_images": len(train),
        "test_images": len(data.test),
        "epochs": epochs,
        "seeds": given.seeds,
        "precision": given.precision,
        **elsewhere,
    }
    report(options, settings, figures, rows)


def network(trial: Trial, depth: int, width: int = WIDTH) -> tf.keras.Model:
    """The untrained network of a trial, within its share of the dense network's variables.

    A narrower network has the most channels that the share allows, and the hashed ones have its number of variables.
    """
    tf.keras.utils.set_random_seed(trial.seed)
    dense = resnet(depth, CLASSES, width=width)
    if trial.method == DENSE:
        return dense
    most = trial.share * resnet_variables(depth, width)
    narrow = max((one for one in range(1, width + 1) if resnet_variables(depth, one) <= most), default=1)
    tf.keras.utils.set_random_seed(trial.seed)
    if trial.method == NARROWER:
        return resnet(depth, CLASSES, width=narrow)
    target = resnet_variables(depth, narrow)
    plain = 1 if trial.method == PLAIN else None
    own = sizes_of(hash_model(dense, fraction=0.5, plain_hashes=plain))
    return hash_model(dense, budget=target - own.scales - own.unhashed, plain_hashes=plain, seed=trial.seed)


@functools.cache
def resnet_variables(depth: int, width: int) -> int:
    """Trainable numbers of a residual network."""
    return variables(resnet(depth, CLASSES, width=width))


def variables(model: tf.keras.Model) -> int:
    """Trainable numbers."""
    return sum(int(tf.size(weight)) for weight in model.trainable_weights)


def summary(results: dict[Trial, dict[str, float]]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row for each method and size, and by how much structured multi-hashing is more accurate, paired by seed."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    for method, share in dict.fromkeys((trial.method, trial.share) for trial in results):
        own = [result for trial, result in results.items() if (trial.method, trial.share) == (method, share)]
        reached = np.array([result["accuracy"] for result in own])
        row = {
            "size": f"{100 * share:g} %",
            "method": method,
            "variables": int(own[0]["variables"]),
            "checkpoint kB": own[0]["bytes"] / 1000,
            "test accuracy": float(reached.mean()),
            "standard error": float(reached.std(ddof=1) / np.sqrt(len(reached))) if len(reached) > 1 else "",
            "rate": ", ".join(f"{name.split('_')[0]} {own[0][name]:g}" for name in RATE_NAMES if name in own[0]),
            "structured minus this": "",
            "low": "",
            "high": "",
        }
        if method != STRUCTURED:
            ours = [results[Trial(STRUCTURED, share, trial.seed)]["accuracy"] for trial in results
                    if (trial.method, trial.share) == (method, share)]  # fmt: skip
            value, low, high = paired_interval(np.array(ours) - reached)
            row |= {"structured minus this": value, "low": low, "high": high}
            figures[f"structured_minus_{method.split()[0]}_at_{share:g}"] = value
            figures[f"structured_minus_{method.split()[0]}_at_{share:g}_low"] = low
        rows.append(row)
    return rows, figures


def _epochs(work: Path, trials: list[Trial], train: Images, depth: int, minutes: float, policy: str) -> int:
    """Fixed once for a folder of work: by the seconds that some steps of each method take."""
    plan = work / "plan.json"
    if not plan.exists():
        methods = {(trial.method, trial.share): trial for trial in trials}
        with precision(policy):
            seconds = {key: epoch_seconds(lambda one=one: network(one, depth), train) for key, one in methods.items()}
        every = sum(
            seconds[trial.method, trial.share] * (len(RATES[trial.method]) if trial == trial.first else 1)
            for trial in trials
        )
        plan.write_text(json.dumps({"epochs": max(1, int(SPARE * 60 * minutes / every))}), encoding="utf-8")
    return int(json.loads(plan.read_text(encoding="utf-8"))["epochs"])


def _result(
    trial: Trial,
    rates: Sequence[Mapping[str, float]],
    train: Images,
    data: Cifar10,
    depth: int,
    epochs: int,
    work: Path,
    policy: str,
) -> dict[str, float]:
    kept = _kept(work)
    if trial.key in kept:
        return kept[trial.key]
    found: list[tuple[float, tf.keras.Model, Mapping[str, float]]] = []
    for one in rates:
        with precision(policy):
            learner = network(trial, depth)
            trained(learner, train, epochs, trial.seed, **one)
        model = network(trial, depth)
        model.set_weights(learner.get_weights())
        found.append((accuracy(model, data.held_out), model, one))
    _, model, chosen = max(found, key=lambda reached: reached[0])
    result = {"accuracy": accuracy(model, data.test), **_sizes(model, work), **chosen}
    with (work / RESULTS).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": trial.key, "result": result}) + "\n")
    print(f"{trial.key}: {result['accuracy']:.4f}", flush=True)
    return result


def _kept(work: Path) -> dict[str, dict[str, float]]:
    """Results of the folder by key."""
    path = work / RESULTS
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines() if path.exists() else ())
    return {row["key"]: row["result"] for row in rows}


def _planned(trial: Trial, depth: int, work: Path) -> dict[str, Any]:
    model = network(trial, depth)
    rates = {"rates": RATES[trial.method]} if trial == trial.first else {"like": trial.first.key}
    return network_plan(model, trial.key, trial.seed, about=_sizes(model, work), **rates)


def _sizes(model: tf.keras.Model, work: Path) -> dict[str, float]:
    weights = work / f"checkpoint-{os.getpid()}.weights.h5"
    model.save_weights(weights)
    found = {"variables": variables(model), "bytes": float(weights.stat().st_size)}
    weights.unlink()
    return found


if __name__ == "__main__":
    main()
