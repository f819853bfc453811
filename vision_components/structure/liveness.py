"""What is left of a network where groups have no channels: branches that vanish, and what cannot do without them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.flow import Channels, Flow


@dataclass(frozen=True)
class Liveness:
    """Calls that are left.

    Attributes:
        live: whether each call of the graph is made: its result is not nothing and the outputs follow from it.
        dead: numbers of the tensors that are nothing: zero everywhere, and left out of sums and lists.
        broken: what needs a tensor that is nothing; None where all can do without.
    """

    live: tuple[bool, ...]
    dead: frozenset[int]
    broken: str | None

    def require(self) -> Liveness:
        """Itself.

        Raises:
            DataError: something needs a tensor that is nothing.
        """
        if self.broken:
            raise DataError(f"{self.broken}; let the groups before it keep a channel")
        return self

    def counted(self) -> tuple[bool, ...]:
        """Which calls cost: the live ones, or all where something is broken and no smaller model exists."""
        return (True,) * len(self.live) if self.broken else self.live


def liveness(graph: ChannelGraph, widths: Mapping[str, int], removed: Collection[str] = ()) -> Liveness:
    """Follow nothing through the network.

    A tensor is nothing if it has no channels, if its layer is removed, or if it is computed from nothing alone: the
    bias of a convolution without inputs is dropped with it. A sum does without such an operand, a list of channels
    without one that has none; whatever else reads it together with others, or returns it, is broken.

    Args:
        graph: of the network.
        widths: channels of each group.
        removed: names of layers of which the output counts as zero.
    """
    dead: set[int] = set()
    broken = None
    for step, flow in zip(graph.calls.steps, graph.flows, strict=True):
        gone = [tensor for tensor in step.inputs if tensor in dead]
        is_nothing = step.name in removed or (bool(gone) and len(gone) == len(step.inputs))
        empty = [_is_empty(graph, channels, widths) for channels in flow.outputs]
        dead |= {tensor for tensor, none in zip(step.outputs, empty, strict=True) if none or is_nothing}
        if gone and not is_nothing and not all(empty) and not _does_without(graph, flow, gone, widths):
            broken = broken or f"{step.name} needs a branch of which nothing is left"
    returned = {leaf.tensor for leaf in tf.nest.flatten(graph.calls.outputs)}
    if returned & dead:
        broken = broken or "an output of the model is computed from nothing"
    needed, live = returned - dead, []
    for step in reversed(graph.calls.steps):
        live.append(any(tensor in needed for tensor in step.outputs))
        if live[-1]:
            needed |= set(step.inputs) - dead
    return Liveness(tuple(reversed(live)), frozenset(dead), broken)


def _does_without(graph: ChannelGraph, flow: Flow, gone: list[int], widths: Mapping[str, int]) -> bool:
    if flow.join == "sum":
        return True
    return flow.join == "concat" and all(_is_empty(graph, graph.channels(tensor), widths) for tensor in gone)


def _is_empty(graph: ChannelGraph, channels: Channels, widths: Mapping[str, int]) -> bool:
    """Whether there were channels and none is left."""
    return len(channels) > 0 and graph.count(channels, widths) == 0
