"""How strong each channel of a group is: by the scales of its normalisation, by its weights, or by its gate.

All three answer the same questions, which searches ask: `soft()`, numbers by group that a cost can be computed of with
a gradient, and `alive()`, booleans by group. A channel that occurs in several layers is as strong as the strongest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.gated_network import free_groups
from vision_components.structure.gates import ChannelGates
from vision_components.structure.joined import first_places, joined_alive, joined_groups, joined_probabilities
from vision_components.structure.tracing import weight_name

# Places among all groups' channels, and how strong the channels there are.
Measured = tuple[NDArray[np.int64], tf.Tensor]


class _AboveThreshold(ABC):
    """A strength that is a number, of channels that are alive above a threshold."""

    threshold: float

    @abstractmethod
    def soft(self) -> dict[str, tf.Tensor]:
        """Strengths by group, float32 `[width]`, 0 or more."""

    def alive(self) -> dict[str, NDArray[np.bool_]]:
        """Whether each channel is stronger than the threshold, by group."""
        return self.alive_above(self.threshold)

    def counted(self, soft: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """1 for each channel that is alive by its strength, else 0, by group."""
        return {name: tf.cast(values > self.threshold, tf.float32) for name, values in soft.items()}

    def scores(self) -> NDArray[np.float32]:
        """Strengths of all channels, `[channels of all groups]`."""
        return np.concatenate([np.asarray(values) for values in self.soft().values()])

    def alive_above(self, number: float) -> dict[str, NDArray[np.bool_]]:
        """Whether each channel is stronger than a number, by group."""
        return {name: np.asarray(values) > number for name, values in self.soft().items()}


class GammaStrength(_AboveThreshold):
    """Strength |gamma| of batch normalisation, the largest of all that normalise a channel (MorphNet).

    Args:
        graph: of the network.
        threshold: above which a channel is alive; larger than the step in which training moves a gamma.

    Raises:
        DataError: a group has no normalisation with a scale, or the threshold is negative.
    """

    def __init__(self, graph: ChannelGraph, threshold: float = 1e-2) -> None:
        self.graph, self.threshold = graph, _checked_threshold(threshold)
        self.scales = [
            (layer.gamma, graph.index(channels["gamma"][0]))
            for layer, channels in _weighted(graph)
            if isinstance(layer, tf.keras.layers.BatchNormalization) and "gamma" in channels
        ]
        _require_all(
            graph, (places for _, places in self.scales), "batch normalisation with a scale", "GroupLassoStrength"
        )

    @property
    def variables(self) -> list[tf.Variable]:
        """The scales, which a search moves and weight decay must not."""
        return [gamma for gamma, _ in self.scales]

    def soft(self) -> dict[str, tf.Tensor]:
        """Strengths by group, float32 `[width]`, 0 or more."""
        return _strongest(self.graph, [(places, tf.abs(gamma)) for gamma, places in self.scales])


class GroupLassoStrength(_AboveThreshold):
    """Strength of a channel by the weights that make it: `(1 - l) sqrt(mean w^2) + l mean |w|`, for networks without
    normalisation.

    Args:
        graph: of the network.
        threshold: above which a channel is alive.
        absolute: l, the share of the mean of absolute values, 0 to 1.

    Raises:
        DataError: no kernel makes the channels of a group, or a number is out of range.
    """

    def __init__(self, graph: ChannelGraph, threshold: float = 1e-2, absolute: float = 0.0) -> None:
        if not 0 <= absolute <= 1:
            raise DataError(f"absolute {absolute}; give a share from 0 to 1")
        self.graph, self.threshold, self.absolute = graph, _checked_threshold(threshold), absolute
        self.kernels = list(_kernels(graph))
        _require_all(graph, (places for _, _, places in self.kernels), "kernel", "GateStrength")

    @property
    def variables(self) -> list[tf.Variable]:
        """The kernels."""
        return [kernel for kernel, _, _ in self.kernels]

    def soft(self) -> dict[str, tf.Tensor]:
        """Strengths by group, float32 `[width]`, 0 or more."""
        return _strongest(self.graph, [(places, self._norm(kernel, axis)) for kernel, axis, places in self.kernels])

    def _norm(self, kernel: tf.Variable, axis: int) -> tf.Tensor:
        others = [place for place in range(len(kernel.shape)) if place != axis]
        square = tf.reduce_mean(tf.square(kernel), others)
        # The root has no derivative at 0; there it is taken as 0.
        safe = tf.where(square > 0, square, tf.ones_like(square))
        root = tf.where(square > 0, tf.sqrt(safe), tf.zeros_like(square))
        return (1 - self.absolute) * root + self.absolute * tf.reduce_mean(tf.abs(kernel), others)


class GateStrength:
    """Strength of a channel: how probably its gate is open (FiGS).

    A group has one gate a channel, so that all that is tied is alive together; the channels of a sum of operators with
    gates of their own are open when one of theirs is, with `1 - prod(1 - p)`.

    Args:
        graph: of the network without gates.
        gated: the network with gates, as `insert_gates` made it of the graph.

    Raises:
        DataError: the network has no gates, or they are not those of the graph.
    """

    def __init__(self, graph: ChannelGraph, gated: tf.keras.Model) -> None:
        layers = [layer for layer in gated.layers if isinstance(layer, ChannelGates)]
        self.graph, self._free, self._joined = graph, free_groups(graph), joined_groups(graph)
        sizes = [graph.groups[name].width for name in self._free]
        if len(layers) != 1 or layers[0].sizes != sizes:
            raise DataError(f"{gated.name} has not the gates of {graph.model.name}; make it with insert_gates(graph)")
        self.gates = layers[0]

    @property
    def variables(self) -> list[tf.Variable]:
        """The logits, which a search moves with a learning rate of their own."""
        return [self.gates.logits]

    def soft(self) -> dict[str, tf.Tensor]:
        """Probabilities by group, float32 `[width]`."""
        return joined_probabilities(self.graph, self._joined, self._parted(self.gates.probabilities()))

    def alive(self) -> dict[str, NDArray[np.bool_]]:
        """Whether each gate is open without noise, by group."""
        return self.alive_above(0.0)

    def counted(self, soft: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What the expected cost counts: the probabilities themselves."""
        return soft

    def scores(self) -> NDArray[np.float32]:
        """Logits of all gates, `[gates]`."""
        return self.gates.logits.numpy()

    def alive_above(self, number: float) -> dict[str, NDArray[np.bool_]]:
        """Whether each channel is alive, by group, when gates are open of which the logit is above a number."""
        is_open = (self.gates.logits.numpy() > number) | (self.gates.kept().numpy() > 0)
        return joined_alive(self.graph, self._joined, self._parted(is_open))

    def _parted(self, values: Any) -> dict[str, Any]:
        """Values of all gates by group."""
        ends = np.cumsum(self.gates.sizes)
        parts = zip(self._free, ends - self.gates.sizes, ends, strict=True)
        return {name: values[start:end] for name, start, end in parts}


Strength = GammaStrength | GroupLassoStrength | GateStrength


def _weighted(graph: ChannelGraph) -> Iterator[tuple[tf.keras.layers.Layer, dict[str, dict[int, NDArray[np.int64]]]]]:
    """Layers with weights, once each, and the channels along the axes of their weights."""
    seen: set[int] = set()
    for step, flow in zip(graph.calls.steps, graph.flows, strict=True):
        if flow.weights and id(step.layer) not in seen:
            seen.add(id(step.layer))
            yield step.layer, {name: dict(axes) for name, axes in flow.weights.items()}


def _kernels(graph: ChannelGraph) -> Iterator[tuple[tf.Variable, int, NDArray[np.int64]]]:
    """Kernels of layers that make channels: the kernel, the axis of the channels it makes, and their places."""
    seen: set[int] = set()
    for step, flow in zip(graph.calls.steps, graph.flows, strict=True):
        if id(step.layer) in seen or not flow.weights:
            continue
        seen.add(id(step.layer))
        [made] = flow.outputs if len(flow.outputs) == 1 else [np.zeros(0, np.int64)]
        reads = np.concatenate([graph.channels(tensor) for tensor in step.inputs])
        if not len(made) or np.isin(graph.index(made), graph.index(reads)).all():
            continue
        for weight in step.layer.trainable_weights:
            for axis, channels in flow.weights.get(weight_name(weight.name), {}).items():
                if len(weight.shape) > 1 and np.array_equal(channels, made):
                    yield weight, axis, graph.index(channels)


def _strongest(graph: ChannelGraph, measured: Sequence[Measured]) -> dict[str, tf.Tensor]:
    """By group the largest strength that is measured of each channel."""
    widths = {name: group.width for name, group in graph.groups.items()}
    places = np.concatenate([places for places, _ in measured])
    strengths = tf.concat([tf.cast(strength, tf.float32) for _, strength in measured], 0)
    largest = tf.math.unsorted_segment_max(strengths, places, sum(widths.values()) + 1)
    firsts = first_places(graph)
    return {name: largest[firsts[name] : firsts[name] + width] for name, width in widths.items()}


def _require_all(graph: ChannelGraph, measured: Iterator[NDArray[np.int64]], what: str, instead: str) -> None:
    found = set(np.concatenate([np.zeros(0, np.int64), *measured]).tolist())
    firsts = first_places(graph)
    without = [name for name in graph.groups if firsts[name] not in found]
    if without:
        raise DataError(f"no {what} tells how strong {', '.join(without)} are; pin these layers, or use {instead}")
    if not graph.groups:
        raise DataError(f"{graph.model.name} has no channels that may go; see report() of its channel graph")


def _checked_threshold(threshold: float) -> float:
    if not threshold >= 0:
        raise DataError(f"threshold {threshold}; give 0 or more")
    return float(threshold)
