"""The pool of networks that `benchmarks/cascades.py` chooses from, trained once and kept in a folder of work."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.cifar10 import Cifar10
from benchmarks.image_training import BATCH, trained
from benchmarks.network_plan import network_plan, require_trained, set_weights_by_name, trained_on, write_plan
from vision_components.backbones import resnet


@dataclass(frozen=True)
class Member:
    """A residual network of the pool.

    Attributes:
        depth, width: of the network.
        seed: of its weights and its batches.
        sides: the image sizes that it learns from in turn; empty for the images as they are.
    """

    depth: int
    width: int
    seed: int = 0
    sides: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """`resnet20_32`, with the seed where it is not 0 and the sizes where there are several."""
        sides = "_at_" + "_".join(map(str, self.sides)) if self.sides else ""
        return f"resnet{self.depth}_{self.width}" + (f"_seed{self.seed}" if self.seed else "") + sides


POOL = (
    Member(8, 8),
    Member(8, 16),
    Member(8, 16, seed=1),
    Member(14, 16),
    Member(14, 16, seed=1),
    Member(14, 32),
    Member(14, 32, seed=1),
    Member(20, 32),
)
SELF = Member(14, 16, sides=(20, 32))
SPARE = 0.85


def trained_pool(data: Cifar10, folder: Path, minutes: float) -> tuple[dict[str, tf.keras.Model], int]:
    """The models by name, and the epochs that each was given.

    What the folder holds is not trained again, whether it was trained here or by `benchmarks.torch_training`. A fresh
    folder fixes the number of epochs, the same for all, by timing some steps of each network against the minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members = (*POOL, SELF)
    plan, elsewhere = folder / "plan.json", trained_on(folder)
    if elsewhere:
        there = {member.name for member in members if (folder / _elsewhere(member)).exists()}
        require_trained(folder, [member.name for member in members], there)
        return {member.name: _trained(member, data, folder, 0) for member in members}, elsewhere["epochs"]
    if not plan.exists():
        seconds = sum(_epoch_seconds(member, data) for member in members)
        epochs = max(1, int(SPARE * 60 * minutes / seconds))
        plan.write_text(json.dumps({"epochs": epochs}), encoding="utf-8")
    epochs = json.loads(plan.read_text(encoding="utf-8"))["epochs"]
    return {member.name: _trained(member, data, folder, epochs) for member in members}, epochs


def plan_pool(folder: Path, classes: int) -> None:
    """Describe the members for `benchmarks.torch_training`, which leaves their weights in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plans = [
        network_plan(_fresh(one, classes), one.name, one.seed, sides=one.sides, weights=_elsewhere(one))
        for one in (*POOL, SELF)
    ]
    write_plan(folder, plans)


def _elsewhere(member: Member) -> str:
    return f"{member.name}.npz"


def _trained(member: Member, data: Cifar10, folder: Path, epochs: int) -> tf.keras.Model:
    path, elsewhere = folder / f"{member.name}.weights.h5", folder / _elsewhere(member)
    model = _fresh(member, len(data.names))
    if path.exists():
        model.load_weights(path)
        return model
    if elsewhere.exists():
        set_weights_by_name(model, dict(np.load(elsewhere)))
        return model
    print(f"training {member.name}, {epochs} epochs", flush=True)
    trained(model, data.train, epochs, member.seed, member.sides)
    partial = path.with_name(f".{path.name}")
    model.save_weights(partial)
    os.replace(partial, path)
    return model


def _fresh(member: Member, classes: int) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(member.seed)
    return resnet(member.depth, classes, width=member.width, name=member.name)


def _epoch_seconds(member: Member, data: Cifar10, steps: Sequence[int] = (3, 15)) -> float:
    """Seconds of an epoch, from the difference of two short trainings: what building the graph takes falls out."""
    few, more = (
        trained(_fresh(member, len(data.names)), data.train.take(np.arange(count * BATCH)), 1, 0, member.sides)
        for count in steps
    )
    return (more - few) / (steps[1] - steps[0]) * (len(data.train) / BATCH)
