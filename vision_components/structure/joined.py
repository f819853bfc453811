"""Channels of sums that are alive where one of several operators' is: they have no gate or strength of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.spread_channels import SpreadChannels

# At 0 and 1 the logarithms are infinite, and no gradient comes back.
PROBABILITY_EDGE = 1e-6


@dataclass(frozen=True)
class Joined:
    """A group made by `SpreadChannels` alone.

    Attributes:
        name: of the group.
        sources: places, in the concatenation of all groups, of channels that come into it, int64 `[pairs]`.
        targets: of each the place in the group, int64 `[pairs]`.
    """

    name: str
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]


def joined_groups(graph: ChannelGraph) -> list[Joined]:
    """Groups whose channels follow from others, each after those that it follows from."""
    spreading = {step.name for step in graph.calls.steps if isinstance(step.layer, SpreadChannels)}
    firsts = first_places(graph)
    waiting = []
    for name, group in graph.groups.items():
        if not spreading.issuperset(group.layers):
            continue
        pairs = []
        for step in graph.calls.steps:
            if step.name in group.layers:
                source, target = graph.channels(step.inputs[0]), graph.channels(step.outputs[0])
                pairs.append(np.stack([graph.index(source), graph.index(target)]))
        sources, targets = np.concatenate(pairs, axis=1)
        own = (targets >= firsts[name]) & (targets < firsts[name] + group.width)
        waiting.append(Joined(name, sources[own], targets[own] - firsts[name]))
    return _ordered(waiting, graph)


def first_places(graph: ChannelGraph) -> dict[str, int]:
    """Where each group begins in the concatenation of all."""
    ends = np.cumsum([group.width for group in graph.groups.values()]).tolist()
    return {name: end - graph.groups[name].width for name, end in zip(graph.groups, ends, strict=True)}


def joined_alive(
    graph: ChannelGraph, joined: list[Joined], alive: dict[str, NDArray[np.bool_]]
) -> dict[str, NDArray[np.bool_]]:
    """Which channels live, those of sums where one that comes in does; masks of all other groups are given."""
    found = {name: alive.get(name, np.zeros(group.width, bool)) for name, group in graph.groups.items()}
    for one in joined:
        everything = np.concatenate([*found.values(), [True]])
        own = np.zeros(graph.groups[one.name].width, bool)
        np.logical_or.at(own, one.targets, everything[one.sources])
        found[one.name] = own
    return found


def joined_probabilities(
    graph: ChannelGraph, joined: list[Joined], probabilities: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """How probably channels live, those of sums as `1 - prod(1 - p)` of what comes in, computed by logarithms."""
    zeros = {name: tf.zeros(group.width) for name, group in graph.groups.items()}
    found = {name: probabilities.get(name, zero) for name, zero in zeros.items()}
    for one in joined:
        everything = tf.concat([*found.values(), [1.0]], 0)
        coming = tf.clip_by_value(tf.gather(everything, one.sources), PROBABILITY_EDGE, 1 - PROBABILITY_EDGE)
        width = graph.groups[one.name].width
        found[one.name] = -tf.math.expm1(tf.math.unsorted_segment_sum(tf.math.log1p(-coming), one.targets, width))
    return found


def _ordered(waiting: list[Joined], graph: ChannelGraph) -> list[Joined]:
    firsts = first_places(graph)

    def reads(one: Joined, other: Joined) -> bool:
        low = firsts[other.name]
        return bool(((one.sources >= low) & (one.sources < low + graph.groups[other.name].width)).any())

    ordered: list[Joined] = []
    while waiting:
        ready = [one for one in waiting if not any(reads(one, other) for other in waiting if other is not one)]
        ordered += ready
        waiting = [one for one in waiting if one not in ready]
    return ordered
