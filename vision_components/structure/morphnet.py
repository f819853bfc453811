"""MorphNet: shrink a network by the scales of its normalisation, widen what is left to a budget, repeat.

MorphNet: Fast & Simple Resource-Constrained Structure Learning of Deep Networks, arXiv 1711.06798.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.architecture import Architecture
from vision_components.structure.cutting import cut_to_budget
from vision_components.structure.expand import Expansion, expand
from vision_components.structure.schedules import TargetSchedule
from vision_components.structure.search_model import Cost, SearchModel
from vision_components.structure.strengths import GammaStrength, GroupLassoStrength

CROSS_ENTROPY = tf.keras.losses.SparseCategoricalCrossentropy


@dataclass(frozen=True)
class MorphNetSettings:
    """How MorphNet trains.

    Attributes:
        epochs: passes over the data of each round.
        rounds: how often it shrinks and widens.
        press: how far a round shrinks, as a share of the budget, above 0, at most 1; the rest is for widening.
        weight: of the cost, while it is above the target.
        lowering: share of the epochs in which the target sinks from the whole cost to the pressed budget.
        threshold: above which a channel is alive.
        proximal: shrinks scales by soft thresholds after each step; else the regulariser is part of the gradient.
        learning_rate: learning rate, by Adam, where no optimizer is given.
    """

    epochs: int = 20
    rounds: int = 1
    press: float = 0.7
    weight: float = 3.0
    lowering: float = 0.7
    threshold: float = 1e-2
    proximal: bool = False
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class MorphNetRound:
    """One time shrinking and widening.

    Attributes:
        shrunk: the channels that were left, within the pressed budget.
        widened: their widths multiplied until the budget is used.
        history: of the training, by epoch.
    """

    shrunk: Architecture
    widened: Expansion
    history: Mapping[str, list[float]]


@dataclass(frozen=True)
class MorphNetResult:
    """What MorphNet found.

    Attributes:
        rounds: in order; the last one's widths are the result.
        budget: in the cost's unit.
    """

    rounds: tuple[MorphNetRound, ...]
    budget: float

    @property
    def widths(self) -> Mapping[str, int]:
        """Channels of each group."""
        return self.rounds[-1].widened.widths

    def small(self) -> tf.keras.Model:
        """The found model with fresh weights, to be trained from scratch."""
        return self.rounds[-1].widened.model()


def morphnet(
    model: tf.keras.Model,
    cost_of: Callable[[tf.keras.Model], Cost],
    data: tf.data.Dataset,
    share: float,
    settings: MorphNetSettings | None = None,
    *,
    loss: Any = None,
    optimizer: Callable[[], tf.keras.optimizers.Optimizer] | None = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    state: Path | None = None,
    floor: int = 1,
    round_to: int = 1,
) -> MorphNetResult:
    """Find widths within a budget by shrinking under a regulariser and widening, as often as the settings say.

    Strengths are scales of batch normalisation; where a group has none, norms of the weights of all groups.

    Args:
        model: to begin with; its weights are trained in place.
        cost_of: the cost of a model, such as `lambda model: FLOPs(ChannelGraph(model))`; later rounds begin from a
            wider model than the first.
        data: batches of inputs and targets.
        share: of the first model's cost that the found one may have, above 0; 1 asks for a better network of its cost.
        settings: of the training.
        loss: Keras loss of the model; cross-entropy of classes as numbers and logits where None.
        optimizer: makes the optimizer of a round.
        callbacks: of `fit`.
        state: folder in which the training is kept after each epoch, and from which it goes on.
        floor: channels that a group keeps at least.
        round_to: widths become multiples of it.

    Raises:
        DataError: the share or a setting is out of range, or the budget cannot be met.
    """
    settings = settings or MorphNetSettings()
    if settings.rounds < 1 or not 0 < settings.press <= 1 or not share > 0:
        raise DataError(
            f"rounds {settings.rounds}, press {settings.press}, budget {share}; give 1 or more rounds, a press above 0 "
            "and at most 1, and a budget above 0"
        )
    rounds: list[MorphNetRound] = []
    budget = 0.0
    for number in range(settings.rounds):
        cost = cost_of(rounds[-1].widened.model() if rounds else model)
        budget = budget or share * cost.full
        pressed = settings.press * budget / cost.full
        strength = _strength(cost, settings.threshold)
        search = SearchModel(cost.graph.model, strength, cost, settings.weight, 1.0, settings.proximal)
        search.compile(
            optimizer() if optimizer else tf.keras.optimizers.Adam(settings.learning_rate),
            loss=loss or CROSS_ENTROPY(from_logits=True),
            metrics=["accuracy"] if loss is None else None,
        )
        watching = [TargetSchedule(pressed, settings.epochs, settings.lowering), *callbacks]
        if state is not None:
            folder = str(state / f"round_{number}")
            watching.append(tf.keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False))
        history = search.fit(data, epochs=settings.epochs, callbacks=watching, verbose=0).history
        shrunk = cut_to_budget(strength, cost, pressed, floor=floor)
        rounds.append(MorphNetRound(shrunk, expand(shrunk, cost, budget, round_to), history))
    return MorphNetResult(tuple(rounds), budget)


def _strength(cost: Cost, threshold: float) -> GammaStrength | GroupLassoStrength:
    try:
        return GammaStrength(cost.graph, threshold)
    except DataError:
        return GroupLassoStrength(cost.graph, threshold)
