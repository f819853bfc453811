"""Train the networks of a plan in PyTorch on CIFAR-10, many at once on one GPU, in place of hours on a processor.

`python -m benchmarks.torch_training --plan FOLDER --epochs N` needs numpy, Pillow and PyTorch, and the tar files of
CIFAR-10. It trains as `benchmarks.image_training` does: images shifted and mirrored, momentum, one cycle of the rate. A
step is recorded once as a CUDA graph and then replayed; networks of a group are replayed on streams of their own, since
one alone leaves most of the device idle. Where a network has several `rates`, the best on held-out images is kept, and
networks that are to be `like` it are trained with those. The benchmark that wrote the plan (`networks.json`) goes on
with what is left beside it: `results.jsonl`, weights where the plan asks for them, and `trained_on.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.cifar10 import SIDE, Cifar10, Images, read_cifar10
from benchmarks.torch_resnet import TorchResnet

PEAK_RATE, WEIGHT_DECAY, MOMENTUM, WARM_UP, SHIFT = 0.15, 1e-3, 0.9, 0.2, 4
POOLED, POOL_NORM = ("u", "v", "pool"), 1.0
# Kernels, and what hashed ones are made of.
DECAYED = ("kernel", "u", "v", "pool")
# Rates of a plan are for batches of so many images.
PLANNED_BATCH, RATE_NAMES = 128, ("peak_rate", "pool_rate")
WARM_RUNS, STEPS_A_WAIT, EVALUATED = 3, 100, 1000


class Batches:
    """The batches of a seed, drawn beforehand, so that all networks of the seed learn from the same.

    Args:
        pixels: `on_device` of the images.
        classes: int64 `[rows]` on the device.
        epochs: passes over the images.
        batch: images a step.
        seed: of what is drawn: the order, and how each image is shifted and whether it is mirrored.
    """

    def __init__(self, pixels: torch.Tensor, classes: torch.Tensor, epochs: int, batch: int, seed: int) -> None:
        rows = len(classes)
        self.steps = epochs * (rows // batch)
        rng = np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(rows)[: rows // batch * batch] for _ in range(epochs)])
        moves = rng.integers(2 * SHIFT + 1, size=(2, len(order)))
        drawn = np.stack([order, *moves, rng.integers(2, size=len(order))]).reshape(4, self.steps, batch)
        self._drawn = torch.tensor(drawn, dtype=torch.int32, device=classes.device)
        self._pixels, self._classes = pixels, classes
        self._places = torch.arange(SIDE, device=classes.device)

    def at(self, step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images `[batch, 3, height, width]` of 0 to 255, and classes, of a step given as a tensor `[1]`."""
        row, down, right, mirrored = self._drawn.index_select(1, step).squeeze(1).long()
        lines = down[:, None] + self._places
        across = right[:, None] + torch.where(mirrored[:, None] == 1, SIDE - 1 - self._places, self._places)
        side = SIDE + 2 * SHIFT
        places = row[:, None, None] * side**2 + lines[:, :, None] * side + across[:, None, :]
        return self._pixels[places].permute(0, 3, 1, 2), self._classes[row]


def on_device(data: Images, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels `[rows * 40 * 40, 3]`, edges being the picture mirrored there, and classes."""
    padded = np.pad(data.pixels, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="reflect")
    return torch.tensor(padded.reshape(-1, 3), device=device), torch.tensor(data.classes, device=device)


class Training:
    """One network being trained; `step` does the next step.

    Args:
        plan: the network, its `peak_rate`, the `sides` that images are resized to in turn, and `pool_rate`: how many
            times faster than others the variables of a pool are to learn.
        batches: what it learns from.
        dtype: of its activations.
        start: weights to begin with; fresh ones where None.
    """

    def __init__(
        self,
        plan: Mapping[str, Any],
        batches: Batches,
        dtype: torch.dtype,
        device: torch.device,
        start: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.plan, self.network = plan, TorchResnet(plan, device, dtype, start)
        self._batches, self._dtype = batches, dtype
        self._names = list(self.network.parameters)
        self._velocity = [torch.zeros_like(one) for one in self.network.parameters.values()]
        self._pooled = [place for place, name in enumerate(self._names) if name in POOLED]
        self._decayed = [place for place, name in enumerate(self._names) if name.split("/")[-1] in DECAYED]
        rates = [_rate(step, batches.steps, plan["peak_rate"]) for step in range(batches.steps)]
        self._rates = torch.tensor(rates, dtype=torch.float32, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._sides = plan.get("sides") or [SIDE]
        self._steps: list[Callable[[], object]] = []
        self._taken = 0
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def record(self) -> None:
        """Record a step for every size of the images; on a processor it stays as it is."""
        if self.stream is None:
            self._steps = [lambda side=side: self._do(side) for side in self._sides]  # type: ignore[misc]
            return
        held = [*self.network.parameters.values(), *self.network.statistics.values(), *self._velocity, self._place]
        before = [one.detach().clone() for one in held]
        torch.cuda.synchronize()
        with torch.cuda.stream(self.stream):
            for side in self._sides:
                for _ in range(WARM_RUNS):
                    self._do(side)
        torch.cuda.synchronize()
        for side in self._sides:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.stream):
                self._do(side)
            self._steps.append(graph.replay)
        with torch.no_grad():
            for one, value in zip(held, before, strict=True):
                one.copy_(value)
        torch.cuda.synchronize()

    def step(self) -> None:
        """Do the next step, on the training's own stream where there are streams."""
        one = self._steps[self._taken % len(self._steps)]
        self._taken += 1
        if self.stream is None:
            one()
        else:
            with torch.cuda.stream(self.stream):
                one()

    def _do(self, side: int) -> None:
        images, classes = self._batches.at(self._place)
        images = images.to(self._dtype)
        if side != SIDE:
            images = functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
        parameters = list(self.network.parameters.values())
        loss = functional.cross_entropy(self.network.logits(images, training=True), classes)
        gradients = list(torch.autograd.grad(loss, parameters))
        with torch.no_grad():
            rate = self._rates.index_select(0, self._place).squeeze(0)
            if self._pooled:
                pool = [gradients[place] for place in self._pooled]
                length = torch.stack([one.square().sum() for one in pool]).sum().sqrt()
                torch._foreach_mul_(pool, self.plan["pool_rate"] * POOL_NORM / length.clamp(min=POOL_NORM))
            torch._foreach_mul_([parameters[place] for place in self._decayed], 1 - WEIGHT_DECAY * rate)
            torch._foreach_mul_(gradients, rate)
            torch._foreach_mul_(self._velocity, MOMENTUM)
            torch._foreach_sub_(self._velocity, gradients)
            torch._foreach_add_(parameters, self._velocity, alpha=MOMENTUM)
            torch._foreach_sub_(parameters, gradients)
            self._place += 1


def accuracy(network: TorchResnet, data: Images, device: torch.device) -> float:
    """Share of the images that the largest logit names rightly."""
    right = 0
    with torch.no_grad():
        for start in range(0, len(data), EVALUATED):
            rows = slice(start, start + EVALUATED)
            pixels = torch.tensor(data.pixels[rows], device=device).permute(0, 3, 1, 2)
            said = network.logits(pixels.to(network.dtype), training=False).argmax(dim=1)
            right += int((said.cpu().numpy() == data.classes[rows]).sum())
    return right / len(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, nargs="+", required=True, help="folders with networks.json")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10"), help="CIFAR-10's tar files")
    parser.add_argument("--out", type=Path, help="folder of the results' folders; the plans' own where not given")
    parser.add_argument("--epochs", type=int, required=True, help="passes over the images")
    parser.add_argument("--batch", type=int, default=128, help="images a step; rates grow with it")
    parser.add_argument("--images", type=int, default=45000, help="training images")
    parser.add_argument("--together", type=int, default=16, help="networks trained at the same time")
    parser.add_argument("--minutes", type=float, default=60, help="no group is begun that would not end within")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16", help="of activations")
    parser.add_argument("--judge", choices=("test", "held_out"), default="test", help="images of the accuracy")
    given = parser.parse_args()
    trainer = Trainer(given, read_cifar10(given.data))
    for folder in given.plan:
        trainer.train(folder, given.out / folder.name if given.out else folder)


class Trainer:
    """Trains the networks of one plan after the other from the same images.

    Args:
        given: arguments of the command line.
        data: images.
    """

    def __init__(self, given: argparse.Namespace, data: Cifar10) -> None:
        self._given, self._data = given, data
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._train = data.train.take(np.arange(given.images))
        self._pixels, self._classes = on_device(self._train, self._device)
        self._dtype = torch.bfloat16 if given.precision == "bfloat16" else torch.float32
        self._drawn: dict[int, Batches] = {}
        self._end = time.perf_counter() + 60 * given.minutes

    def train(self, folder: Path, out: Path) -> None:
        """Train the networks of a folder's plan, and leave in `out` what came of it; those that are there stay."""
        out.mkdir(parents=True, exist_ok=True)
        given, device = self._given, self._device
        plans = json.loads((folder / "networks.json").read_text(encoding="utf-8"))["networks"]
        chosen = _chosen_before(out / "results.jsonl")
        plans = [plan for plan in plans if plan["key"] not in chosen]
        longest = 0.0
        while plans:
            if time.perf_counter() + longest > self._end:
                print(f"{folder}: {len(plans)} networks are left, the minutes are up", flush=True)
                break
            began = time.perf_counter()
            group = self._group(folder, plans, chosen)
            recorded = _train(group, self._batches(group[0].plan["seed"]).steps)
            longest = max(longest, time.perf_counter() - began)
            for training in _best(group, self._data.held_out, device):
                chosen[training.plan["key"]] = training.plan["chosen"]
                _keep(training, getattr(self._data, given.judge), device, out)
            print(f"{len(group)} networks: {longest:.1f} s, {recorded:.1f} s of them recording", flush=True)
        trained_on = {
            "trained_on": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "torch": torch.__version__,
            "training_images": len(self._train),
            "epochs": given.epochs,
            "training_batch": given.batch,
            "precision": given.precision,
        }
        (out / "trained_on.json").write_text(json.dumps(trained_on), encoding="utf-8")

    def _group(
        self, folder: Path, plans: list[dict[str, Any]], chosen: Mapping[str, dict[str, float]]
    ) -> list[Training]:
        """The next networks to train together, taken off the list: none before what it is to be like."""
        given = self._given
        group = []
        while plans and len(group) < given.together and (plans[0].get("like") in (None, *chosen)):
            plan = plans.pop(0)
            start = dict(np.load(folder / plan["start"])) if plan.get("start") else None
            for rates in plan.get("rates") or [chosen.get(plan.get("like"), {})]:
                peak = rates.get("peak_rate", PEAK_RATE) * given.batch / PLANNED_BATCH
                one = {**plan, "chosen": rates, "peak_rate": peak, "pool_rate": rates.get("pool_rate", 1.0)}
                group.append(Training(one, self._batches(plan["seed"]), self._dtype, self._device, start))
        return group

    def _batches(self, seed: int) -> Batches:
        if seed not in self._drawn:
            given = self._given
            self._drawn[seed] = Batches(self._pixels, self._classes, given.epochs, given.batch, seed)
        return self._drawn[seed]


def _chosen_before(results: Path) -> dict[str, dict[str, float]]:
    """Rates of the networks that an earlier run has trained, by key."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    rows = [json.loads(line) for line in lines]
    return {row["key"]: {name: row["result"][name] for name in RATE_NAMES if name in row["result"]} for row in rows}


def _train(group: Sequence[Training], steps: int) -> float:
    """All steps of all networks of a group; returns the seconds that recording took."""
    begun = time.perf_counter()
    for training in group:
        training.record()
    recorded = time.perf_counter() - begun
    for step in range(steps):
        for training in group:
            training.step()
        if step % STEPS_A_WAIT == 0 and group[0].stream is not None:
            torch.cuda.synchronize()
    if group[0].stream is not None:
        torch.cuda.synchronize()
    return recorded


def _best(group: Sequence[Training], held_out: Images, device: torch.device) -> list[Training]:
    """Of the trainings of one network with several rates the one that names most of the held-out images rightly."""
    found: dict[str, tuple[float, Training]] = {}
    rivals = Counter(training.plan["key"] for training in group)
    for training in group:
        key = training.plan["key"]
        reached = accuracy(training.network, held_out, device) if rivals[key] > 1 else 0.0
        if rivals[key] > 1:
            print(f"{key} {training.plan['chosen']}: held out {reached:.4f}", flush=True)
        if key not in found or reached > found[key][0]:
            found[key] = reached, training
    return [training for _, training in found.values()]


def _keep(training: Training, judged: Images, device: torch.device, out: Path) -> None:
    plan = training.plan
    result = {"accuracy": accuracy(training.network, judged, device), **plan.get("about", {}), **plan["chosen"]}
    with (out / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": plan["key"], "result": result}) + "\n")
    if plan.get("weights"):
        np.savez(out / plan["weights"], **training.network.weights())
    print(f"{plan['key']}: {result['accuracy']:.4f}", flush=True)


def _rate(step: int, steps: int, peak: float) -> float:
    """Rises linearly over the first fifth of the steps, and falls along a cosine to nothing."""
    share = step / max(steps, 1)
    if share < WARM_UP:
        return peak * (share / WARM_UP + 1e-3)
    return float(peak * 0.5 * (1 + np.cos(np.pi * (share - WARM_UP) / (1 - WARM_UP))))


if __name__ == "__main__":
    main()
