"""FiGS: search widths and operators by gates that are trained with the weights, then cut to one or more budgets.

Fine-Grained Stochastic Architecture Search, arXiv 2006.09581.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.architecture import Architecture
from vision_components.structure.cutting import nested
from vision_components.structure.gated_network import insert_gates
from vision_components.structure.prune import emit
from vision_components.structure.schedules import TargetSchedule, TemperatureSchedule
from vision_components.structure.search_model import Cost, SearchModel
from vision_components.structure.spread_channels import copy_places
from vision_components.structure.statistics import measure_statistics
from vision_components.structure.strengths import GateStrength


@dataclass(frozen=True)
class FigsSettings:
    """How a search trains.

    Attributes:
        epochs: passes over the data.
        weight: of the cost, while it is above the target; larger ones follow the target in fewer steps.
        lowering: share of the epochs in which the target sinks from the whole cost to the smallest budget.
        temperature, last_temperature: of the gates in the first and the last epoch.
        exact: gates of 0 or 1 in training; else relaxed ones.
        learning_rate: learning rate of the weights, by Adam, where no optimizer is given.
        gate_learning_rate: learning rate of the logits, by Adam.
        seed: of the gates' noise.
    """

    epochs: int = 20
    weight: float = 5.0
    lowering: float = 0.7
    temperature: float = 0.5
    last_temperature: float = 0.1
    exact: bool = False
    learning_rate: float = 1e-3
    gate_learning_rate: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class FigsResult:
    """What a search found.

    Attributes:
        gated: the network with its gates, trained; `model` with the same weights is within.
        strength: of its channels.
        architectures: for each budget, from the smallest.
        history: of the training, by epoch.
    """

    gated: tf.keras.Model
    strength: GateStrength
    architectures: tuple[Architecture, ...]
    history: Mapping[str, list[float]]

    def small(self, place: int = 0, *, fresh: bool = False, measured_on: Any = None) -> tf.keras.Model:
        """The model of one of the architectures.

        Args:
            place: among the budgets.
            fresh: initialises its weights anew, to be trained from scratch.
            measured_on: batches of images on which the statistics of normalisation are measured anew.
        """
        graph = self.strength.graph
        model = emit(graph.model, graph, self.architectures[place])
        if fresh:
            cut, model = model, emit(graph.model, graph, self.architectures[place], fresh=True)
            copy_places(cut, model)
        if measured_on is not None:
            measure_statistics(model, measured_on)
        return model


def figs(
    cost: Cost,
    data: tf.data.Dataset,
    budgets: Sequence[float],
    settings: FigsSettings | None = None,
    *,
    loss: Any = None,
    optimizer: Any = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    state: Path | None = None,
    floor: int = 1,
    round_to: int = 1,
) -> FigsResult:
    """Train a model with gates on its channels while the cost is pressed to the smallest budget, then cut.

    The weights of the cost's model are trained in place. Gates are exact in the end; nothing is lost by cutting except
    what the budget takes beyond the gates that are shut by themselves.

    Args:
        cost: of the graph of the model, `FLOPs(ChannelGraph(model))` for one.
        data: batches of inputs and targets.
        budgets: shares of the whole cost, rising, above 0 and below 1; several give architectures one within another.
        settings: of the training.
        loss: Keras loss of the model; cross-entropy of classes as numbers and logits where None.
        optimizer: of the weights.
        callbacks: of `fit`.
        state: folder in which the training is kept after each epoch, and from which it goes on.
        floor: channels that a group keeps at least.
        round_to: widths become multiples of it.

    Raises:
        DataError: budgets are none, out of range or do not rise, or cannot be met.
    """
    settings = settings or FigsSettings()
    if not budgets:
        raise DataError("budgets: none is given; give one share of the whole cost or more")
    graph = cost.graph
    gated = insert_gates(graph, temperature=settings.temperature, exact=settings.exact, seed=settings.seed)
    strength = GateStrength(graph, gated)
    model = SearchModel(gated, strength, cost, settings.weight, target=1.0)
    model.compile(
        optimizer or tf.keras.optimizers.Adam(settings.learning_rate),
        gate_optimizer=tf.keras.optimizers.Adam(settings.gate_learning_rate),
        loss=loss or tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"] if loss is None else None,
    )
    watching = [
        TargetSchedule(min(budgets), settings.epochs, settings.lowering),
        TemperatureSchedule(strength.gates, settings.last_temperature, settings.epochs),
        *callbacks,
    ]
    if state is not None:
        watching.append(tf.keras.callbacks.BackupAndRestore(str(state), delete_checkpoint=False))
    history = model.fit(data, epochs=settings.epochs, callbacks=watching, verbose=0).history
    architectures = nested(strength, cost, budgets, floor=floor, round_to=round_to)
    return FigsResult(gated, strength, tuple(architectures), history)
