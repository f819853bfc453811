"""Gates put into a network, behind every normalisation or convolution of each group: one logit a channel of a group."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.structure.calls import Step
from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.gates import ALWAYS, INITIAL, NO_FLOOR, TEMPERATURE, ChannelGates, GatedChannels
from vision_components.structure.joined import Joined, first_places, joined_groups
from vision_components.structure.rebuilding import rebuilt
from vision_components.structure.spread_channels import SpreadChannels


def insert_gates(
    graph: ChannelGraph,
    *,
    initial: float = INITIAL,
    temperature: float = TEMPERATURE,
    exact: bool = True,
    soft_inference: bool = False,
    seed: int = 0,
) -> tf.keras.Model:
    """The graph's model with gates; its layer `gates` holds the logits.

    All layers are those of the model itself: training the gated network trains the model, which is then pruned by what
    the gates say. A gate stands wherever a channel that is off could become something again, behind depthwise
    normalisation too, so that a network whose gates are shut answers as the pruned one.

    Args:
        graph: of the model.
        initial: log-odds to begin with.
        temperature: of the gates in training.
        exact: gates of 0 or 1 in training; else relaxed ones.
        soft_inference: multiplies open gates by their probability outside training.
        seed: of the noise.

    Raises:
        DataError: the model has no group of channels that may go.
    """
    free = free_groups(graph)
    if not free:
        raise DataError(f"{graph.model.name} has no channels that may go; see report() of its channel graph")
    gates = ChannelGates(
        [graph.groups[name].width for name in free],
        gate_floors(graph),
        initial,
        temperature,
        exact,
        soft_inference,
        seed,
    )
    places = gate_places(graph)
    sites = {id(step): places[graph.index(channels)] for step, channels in graph.mask_sites()}
    uses: Counter[str] = Counter()
    drawn: list[tf.Tensor] = []

    def call(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not drawn:
            drawn.append(gates(next(leaf for leaf in tf.nest.flatten((args, kwargs)) if tf.is_tensor(leaf))))
        result = step.layer(*args, **kwargs)
        own = sites.get(id(step))
        if own is None or np.all(own == ALWAYS):
            return result
        uses[step.name] += 1
        name = f"{step.name}_gated" + (f"_{uses[step.name]}" if uses[step.name] > 1 else "")
        return GatedChannels(own, name=name)([result, drawn[0]])

    return rebuilt(graph.calls, call)


def free_groups(graph: ChannelGraph) -> list[str]:
    """Groups that have gates of their own: all but those that follow from others."""
    follow = {one.name for one in joined_groups(graph)}
    return [name for name in graph.groups if name not in follow]


def gate_places(graph: ChannelGraph) -> NDArray[np.int64]:
    """For each place in the concatenation of all groups, and a last for what stays, its gate or -1."""
    firsts, free = first_places(graph), free_groups(graph)
    places = np.full(sum(group.width for group in graph.groups.values()) + 1, ALWAYS)
    gate = 0
    for name in free:
        width = graph.groups[name].width
        places[firsts[name] : firsts[name] + width] = np.arange(gate, gate + width)
        gate += width
    return places


def gate_floors(graph: ChannelGraph) -> list[int]:
    """The floor of each free group: its own, or for operators that are added that of their sum, of which one stays.

    Where a sum has an input that is never empty, such as what went round the operators, they may all go.
    """
    free = free_groups(graph)
    floors = dict(zip(free, range(len(free)), strict=True))
    for one in joined_groups(graph):
        coming = _sources(graph, one)
        own = [name for name in coming if name in floors and _only_summed(graph, name)]
        is_kept = len(own) < len(coming)
        for name in own:
            floors[name] = NO_FLOOR if is_kept else floors[own[0]]
    numbers = {
        floor: number for number, floor in enumerate(dict.fromkeys(floors[name] for name in free if floors[name] >= 0))
    }
    return [numbers.get(floors[name], NO_FLOOR) for name in free]


def _sources(graph: ChannelGraph, joined: Joined) -> list[str | None]:
    """Groups that come into a sum; None stands for channels that stay."""
    ends = np.cumsum([group.width for group in graph.groups.values()])
    names: list[str | None] = [*graph.groups, None]
    return [names[place] for place in np.unique(np.searchsorted(ends, joined.sources, side="right"))]


def _only_summed(graph: ChannelGraph, name: str) -> bool:
    """Whether a group is an operator's result, which nothing but the sum reads."""
    first = first_places(graph)[name]
    own = range(first, first + graph.groups[name].width)
    made = {step.outputs[0] for step in graph.calls.steps if step.name in graph.groups[name].layers}
    tensors = set(made)
    for step, flow in zip(graph.calls.steps, graph.flows, strict=True):
        if tensors.intersection(step.inputs):
            inside = np.isin(graph.index(flow.outputs[0]), own)
            if inside.any():
                tensors.update(step.outputs)
            elif not isinstance(step.layer, SpreadChannels):
                return False
    return True
