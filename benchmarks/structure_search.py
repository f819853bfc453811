"""Searched widths on CIFAR-10 beside a uniform multiplier and widths by chance, all of equal cost.

The network to begin with is as wide in its first stage, where a channel costs most, as its stages do not deserve. For
each seed FiGS searches once for all budgets and MorphNet once a budget; then what they found, the uniform multiplier
and random widths are trained from scratch with the same batches for equally many epochs. What FiGS found is also
trained on with its weights kept. Trainings are kept in `--work`. With `--plan` the found networks are only described
there, for `benchmarks.torch_training` to train on a GPU; the next run reports on its results. Measured time is of the
graphs in ONNX Runtime on one thread, in turns within one run.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.cifar10 import SIDE, Images, read_cifar10
from benchmarks.exported_members import member_graph
from benchmarks.harness import parse_options, report
from benchmarks.image_training import BATCH, PEAK_RATE, accuracy, batches, epoch_seconds, trained
from benchmarks.network_plan import PLAN, network_plan, require_trained, trained_on, weights_by_name, write_plan
from benchmarks.paired_interval import paired_interval
from vision_components.backbones.parts import convolution, layers, pixels
from vision_components.backbones.resnet import residual_block
from vision_components.structure import Architecture, ChannelGraph, FLOPs, expand
from vision_components.structure.figs import FigsSettings, figs
from vision_components.structure.morphnet import MorphNetSettings, morphnet
from vision_components.structure.prune import built

NEEDS = {
    "minutes": 120,
    "least": 4,
    "small": ["--images", "1000", "--seeds", "1", "--width", "8"],
    "data": ["cifar10"],
    "work": True,
}
WHOLE, UNIFORM, RANDOM = "whole network", "uniform multiplier", "random widths"
FIGS, FIGS_KEPT, MORPHNET = "FiGS", "FiGS, weights kept", "MorphNet"
METHODS = (UNIFORM, RANDOM, MORPHNET, FIGS, FIGS_KEPT)
BUDGETS = (0.25, 0.5)
# Channels of each stage in multiples of the width, and blocks a stage.
STAGES, BLOCKS, CLASSES = (1, 1, 2), 2, 10
SPARE, TIMED_IMAGES, TURNS = 0.85, 32, 30
Widths = Mapping[str, int]


@dataclass(frozen=True)
class Trial:
    """A network to train: a method, its share of the whole network's cost, and a seed."""

    method: str
    budget: float
    seed: int

    @property
    def key(self) -> str:
        """As results are kept under."""
        return f"{self.method} {self.budget:g} {self.seed}"


class Kept:
    """Results of a folder by their keys, each made once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._path = folder, folder / "results.jsonl"
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        self._found = {row["key"]: row["result"] for row in map(json.loads, lines)}

    def __contains__(self, key: object) -> bool:
        """Whether there is a result under the key."""
        return key in self._found

    def result(self, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is kept under the key, made and kept where it is not."""
        if key not in self._found:
            begun = time.perf_counter()
            self._found[key] = make()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "result": self._found[key]}) + "\n")
            print(f"{key}: {time.perf_counter() - begun:.0f} s, {self._found[key]}", flush=True)
        return self._found[key]


def main() -> None:
    options = parse_options(
        "structure_search",
        __doc__ or "",
        ("--data", {"type": Path, "default": Path("../shared/data/cifar10"), "help": "folder of CIFAR-10's tar files"}),
        ("--work", {"type": Path, "default": Path("runs/structure_search"), "help": "folder of results so far"}),
        ("--images", {"type": int, "default": 15000, "help": "training images"}),
        ("--seeds", {"type": int, "default": 3, "help": "searches and trainings of each"}),
        ("--width", {"type": int, "default": 24, "help": "channels of the first stage"}),
        ("--epochs", {"type": int, "help": "passes over the images, in place of the budget"}),
        ("--precision", {"default": "float32", "choices": ["float32", "mixed_bfloat16"], "help": "of all training"}),
        PLAN,
    )
    given = options.extra
    tf.keras.mixed_precision.set_global_policy(given.precision)
    data = read_cifar10(given.data)
    train, kept = data.train.take(np.arange(given.images)), Kept(given.work)
    epochs = given.epochs or _epochs(kept, train, given.width, given.seeds, options.budget)
    trials = [Trial(WHOLE, 1.0, seed) for seed in range(given.seeds)]
    trials += [Trial(m, budget, seed) for seed in range(given.seeds) for budget in BUDGETS for m in METHODS]
    found = {trial: widths_of(trial, given.width, train, epochs, kept) for trial in trials}
    if given.plan:
        write_plan(given.work, [_planned(trial, given.width, own, kept.folder) for trial, own in found.items()])
        return
    require_trained(given.work, [trial.key for trial in trials], kept)
    results = {
        trial: kept.result(
            trial.key, lambda one=trial, own=widths: _train(one, given.width, own, train, data.test, epochs, kept)
        )
        | {"widths": widths}
        for trial, widths in found.items()
    }
    tf.keras.mixed_precision.set_global_policy("float32")
    rows, figures = summary(results, times(results, given.width, data.test, given.work))
    settings = {
        "network": f"residual, {[given.width * one for one in STAGES]} channels, {BLOCKS} blocks a stage",
        "training_images": len(train), "test_images": len(data.test), "epochs": epochs, "seeds": given.seeds,
        "precision": given.precision, **_trained_elsewhere(given.work, epochs, len(train)),
    }  # fmt: skip
    report(options, settings, figures, rows)


def whole_network(width: int, seed: int = 0) -> tf.keras.Model:
    """The untrained network to begin with."""
    tf.keras.utils.set_random_seed(seed)
    image, x = pixels((SIDE, SIDE, 3))
    x = layers.ReLU(name="stem")(convolution(x, width, 3, name="stem"))
    for block, (stage, place) in enumerate(itertools.product(range(len(STAGES)), range(BLOCKS)), 1):
        x = residual_block(x, width * STAGES[stage], 2 if stage and place == 0 else 1, f"block_{block}")
    # Logits of half precision would be a loss's end.
    logits = layers.Dense(CLASSES, dtype="float32", name="logits")(layers.GlobalAveragePooling2D()(x))
    return tf.keras.Model(image, logits, name="whole")


def widths_of(trial: Trial, width: int, train: Images, epochs: int, kept: Kept) -> Widths:
    """Channels of each group for a trial, within its budget; searched for where the method searches."""
    graph = ChannelGraph(whole_network(width, trial.seed))
    cost = FLOPs(graph)
    if trial.method in (FIGS, FIGS_KEPT):
        found = kept.result(
            f"search {FIGS} {trial.seed}", lambda: _figs(cost, width, train, epochs, trial.seed, kept.folder)
        )
        return found[f"{trial.budget:g}"]
    budget = trial.budget * cost.full
    if trial.method == MORPHNET:
        found = kept.result(f"search {trial.key}", lambda: _morphnet(graph.model, train, epochs, trial, kept.folder))
        return filled(found, cost, budget)
    if trial.method == WHOLE:
        return Architecture(graph, graph.everything()).widths
    alive = graph.everything()
    if trial.method == RANDOM:
        rng = np.random.default_rng(trial.seed)
        for mask in alive.values():
            mask[max(1, round(rng.uniform(0.2, 1) * len(mask))) :] = False
    return filled(expand(Architecture(graph, alive), cost, budget).widths, cost, budget)


def filled(widths: Widths, cost: FLOPs, budget: float) -> Widths:
    """The widths with a channel more for one group after the other, as long as the budget has room.

    All groups multiplied by one factor and rounded jump past budgets; without this the multiplier would be compared
    with less than it may have.
    """
    found = dict(widths)
    is_wider = True
    while is_wider:
        is_wider = False
        for name in [name for name, width in found.items() if width]:
            wider = found | {name: found[name] + 1}
            if cost.of_widths(wider) <= budget:
                found, is_wider = wider, True
    return found


def times(results: Mapping[Trial, dict[str, Any]], width: int, images: Images, folder: Path) -> dict[Trial, float]:
    """Median time of each network as a share of the whole one's, batches in turns."""
    graph = ChannelGraph(whole_network(width))
    shown = images.pixels[:TIMED_IMAGES]
    graphs = {
        trial: member_graph(built(graph, result["widths"]), "timed", SIDE, folder, shown)
        for trial, result in results.items()
        if trial.method != FIGS_KEPT
    }
    seconds: dict[Trial, list[float]] = {trial: [] for trial in graphs}
    for _ in range(TURNS):
        for trial, member in graphs.items():
            begun = time.perf_counter()
            member.probabilities(shown)
            seconds[trial].append(time.perf_counter() - begun)
    whole = np.median([np.median(taken) for trial, taken in seconds.items() if trial.method == WHOLE])
    return {trial: float(np.median(taken) / whole) for trial, taken in seconds.items()}


def summary(
    results: Mapping[Trial, dict[str, Any]], shares: Mapping[Trial, float]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row for each method and budget, and by how much it is more accurate than the uniform multiplier, by seed."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    for method, budget in dict.fromkeys((trial.method, trial.budget) for trial in results):
        own = [trial for trial in results if (trial.method, trial.budget) == (method, budget)]
        reached = np.array([results[trial]["accuracy"] for trial in own])
        timed = [shares[trial] for trial in own if trial in shares]
        row = {
            "budget": f"{100 * budget:g} %",
            "method": method,
            "FLOPs left": float(np.mean([results[trial]["share"] for trial in own])),
            "time left": float(np.mean(timed)) if timed else "",
            "parameters": int(np.mean([results[trial]["parameters"] for trial in own])),
            "test accuracy": float(reached.mean()),
            "standard error": float(reached.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else "",
            "minus uniform": "",
            "low": "",
            "high": "",
        }
        if method not in (WHOLE, UNIFORM):
            uniform = [results[Trial(UNIFORM, budget, trial.seed)]["accuracy"] for trial in own]
            value, low, high = paired_interval(reached - np.array(uniform))
            row |= {"minus uniform": value, "low": low, "high": high}
            name = method.lower().replace(", ", "_").replace(" ", "_")
            figures |= {f"{name}_minus_uniform_at_{budget:g}": value, f"{name}_minus_uniform_at_{budget:g}_low": low}
        rows.append(row)
    return rows, figures


def _train(
    trial: Trial, width: int, widths: Widths, train: Images, test: Images, epochs: int, kept: Kept
) -> dict[str, Any]:
    model, about = _network(trial, width, widths, kept.folder)
    trained(model, train, epochs, trial.seed, peak_rate=_peak_rate(trial))
    return {"accuracy": accuracy(model, test), **about}


def _planned(trial: Trial, width: int, widths: Widths, folder: Path) -> dict[str, Any]:
    model, about = _network(trial, width, widths, folder)
    settings: dict[str, Any] = {"about": about, "rates": [{"peak_rate": _peak_rate(trial)}]}
    if trial.method == FIGS_KEPT:
        settings["start"] = f"figs_{trial.budget:g}_{trial.seed}.npz"
        np.savez(folder / settings["start"], **weights_by_name(model))
    return network_plan(model, trial.key, trial.seed, **settings)


def _network(trial: Trial, width: int, widths: Widths, folder: Path) -> tuple[tf.keras.Model, dict[str, Any]]:
    """The network to be trained, and its share of the cost and its number of parameters."""
    graph = ChannelGraph(whole_network(width, trial.seed))
    model, cost = built(graph, widths), FLOPs(graph)
    if trial.method == FIGS_KEPT:
        model.load_weights(_weights(folder, trial.budget, trial.seed))
    return model, {"share": cost.of_widths(widths) / cost.full, "parameters": model.count_params()}


def _peak_rate(trial: Trial) -> float:
    """The whole rate would leave nothing of weights that are kept."""
    return PEAK_RATE / 5 if trial.method == FIGS_KEPT else PEAK_RATE


def _trained_elsewhere(folder: Path, epochs: int, images: int) -> dict[str, Any]:
    """Where the found networks were trained, and what the searches were given here; nothing if all was done here."""
    elsewhere = trained_on(folder)
    return elsewhere and {"search_images": images, "search_epochs": epochs, **elsewhere}


def _figs(cost: FLOPs, width: int, train: Images, epochs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Widths by budget; the cut networks' weights are kept beside the results."""
    found = figs(
        cost,
        _endless(train, seed),
        BUDGETS,
        FigsSettings(epochs=epochs, seed=seed),
        state=folder / f"figs_{width}_{epochs}_{seed}",
    )
    shown = [images for images, _ in _endless(train, seed)]
    for place, budget in enumerate(BUDGETS):
        found.small(place, measured_on=shown).save_weights(_weights(folder, budget, seed))
    return {f"{budget:g}": one.widths for budget, one in zip(BUDGETS, found.architectures, strict=True)}


def _morphnet(model: tf.keras.Model, train: Images, epochs: int, trial: Trial, folder: Path) -> dict[str, Any]:
    found = morphnet(
        model,
        lambda one: FLOPs(ChannelGraph(one)),
        _endless(train, trial.seed),
        trial.budget,
        MorphNetSettings(epochs=epochs),
        state=folder / f"morphnet_{trial.budget:g}_{epochs}_{trial.seed}",
    )
    return dict(found.widths)


def _weights(folder: Path, budget: float, seed: int) -> Path:
    return folder / f"figs_{budget:g}_{seed}.weights.h5"


def _endless(train: Images, seed: int) -> tf.data.Dataset:
    """Batches of one pass, shuffled, shifted and mirrored in another way in each."""
    passes = itertools.count()
    shape = (BATCH, *train.pixels.shape[1:])
    signature = (tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((BATCH,), tf.int64))
    data = tf.data.Dataset.from_generator(
        lambda: batches(train, 1, seed * 10_000 + next(passes)), output_signature=signature
    )
    data = data.apply(tf.data.experimental.assert_cardinality(len(train) // BATCH))
    return data.map(lambda images, classes: (tf.cast(images, tf.float32), classes)).prefetch(2)


def _epochs(kept: Kept, train: Images, width: int, seeds: int, minutes: float) -> int:
    """Fixed once for a folder of work: by the seconds that a pass takes for the whole network."""

    def plan() -> dict[str, Any]:
        seconds = epoch_seconds(lambda: whole_network(width), train)
        # In passes of the whole network: searches, then trainings by their budgets, which save less time than cost.
        passes = 1 + len(BUDGETS) + 1 + sum(len(METHODS) * (0.2 + 0.8 * budget) for budget in BUDGETS)
        return {"epochs": max(1, int(SPARE * 60 * minutes / (seeds * passes * seconds)))}

    return int(kept.result(f"epochs {minutes:g}", plan)["epochs"])


if __name__ == "__main__":
    main()
