"""Which channels of a model must live or vanish together: union and find over the channels of all its tensors."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.structure.calls import LayerCalls, Step
from vision_components.structure.flow import Channels, Flow, Rule
from vision_components.structure.graph_report import GraphReport
from vision_components.structure.rules import rule_for
from vision_components.structure.tracing import Trace, TracedCall, width_of

# Booleans by a group's name: which of its channels live.
Alive = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Group:
    """Channels that occur in the same tensors and weights equally often, so that only their number matters for cost.

    Attributes:
        name: of the layer that makes them, with a number where it makes several groups.
        width: number of channels; each may stand for several tied ones.
        layers: those that make the channels tied into this group.
    """

    name: str
    width: int
    layers: tuple[str, ...]


class ChannelGraph:
    """The groups of channels of a model that can be made narrower, and all that must stay as it is.

    Channels are traced one by one: convolutions and dense layers make new ones, activations, normalisation and
    pooling pass them on, sums and products tie those of their operands, concatenation lists them. Inputs and outputs
    stay. What no rule covers keeps its channels on both sides and is reported with a warning, never passed over.

    Args:
        model: functional or sequential, and built; nested models are laid open, shared layers tie their uses.
        pin: regular expressions of whole names of layers of which the outputs stay as they are.
        tie: regular expressions; the outputs of all layers that one of them matches are tied channel by channel.
        handlers: rules of layer classes, before those registered with `register_rule`.

    Attributes:
        calls: the calls of the model's layers.
        flows: what the rules say of each call, in the same order.
        groups: by their names, in the model's order.

    Raises:
        DataError: the model is subclassed or not built, an expression is malformed or matches no layer, or layers to
            be tied have different numbers of channels.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        pin: Sequence[str] = (),
        tie: Sequence[str] = (),
        handlers: Mapping[type, Rule] | None = None,
    ) -> None:
        self.calls = LayerCalls(model)
        self.model = self.calls.model
        trace = Trace()
        self._traced: dict[int, Channels] = {}
        for name, number in zip(self.model.input_names, self.calls.inputs, strict=True):
            self._traced[number] = trace.new(width_of(self.calls.shapes[number]), name)
            trace.pin(self._traced[number], f"{name} is an input")
        self.flows = self._follow(trace, handlers or {})
        for leaf in tf.nest.flatten(self.calls.outputs):
            trace.pin(self._traced[leaf.tensor], "an output of the model")
        self._by_hand(trace, pin, tie)
        self._unknown = tuple(dict.fromkeys(trace.unknown))
        for name, kind in self._unknown:
            warnings.warn(f"no rule for {name} ({kind}); its channels stay as they are", stacklevel=2)
        self._group(trace)

    def channels(self, tensor: int) -> Channels:
        """Channels of a tensor by its number in `calls`."""
        return self._traced[tensor]

    def index(self, channels: Channels) -> NDArray[np.int64]:
        """Where each channel's value stands in the concatenation of all groups' vectors and a last 1 for what stays.

        `tf.gather(tf.concat([*(vectors[name] for name in graph.groups), [1.0]], 0), graph.index(channels))` spreads
        values of the groups over a tensor's channels.
        """
        return self._index[channels]

    def kept(self, channels: Channels, alive: Alive) -> NDArray[np.bool_]:
        """Which of these channels live, of the same length."""
        return np.concatenate([*(np.asarray(alive[name], bool) for name in self.groups), [True]])[self.index(channels)]

    def places(self, channels: Channels) -> dict[str, NDArray[np.int64]]:
        """By group, where its channels stand among these, int64 `[width, times]`; groups that do not occur are absent.

        All channels of a group occur equally often, `times`, in whatever a call's flow lists.
        """
        index = self.index(channels)
        found = {}
        for name, first in self._firsts.items():
            width = self.groups[name].width
            places = np.flatnonzero((index >= first) & (index < first + width))
            if len(places):
                order = np.argsort(index[places], kind="stable")
                found[name] = places[order].reshape(width, -1)
        return found

    def times(self, channels: Channels) -> tuple[NDArray[np.int64], int]:
        """How often a channel of each group occurs among these, int64 `[groups]`, and how many stay whatever lives."""
        index = self.index(channels)
        first = np.fromiter(self._firsts.values(), np.int64, len(self._firsts))
        counts = np.bincount(index, minlength=self._fixed + 1)
        return counts[first], int(counts[self._fixed])

    def count(self, channels: Channels, widths: Mapping[str, int]) -> int:
        """How many of these channels there are when the groups have such widths."""
        times, fixed = self.times(channels)
        return fixed + sum(int(often) * widths[name] for often, name in zip(times, self.groups, strict=True) if often)

    def everything(self) -> dict[str, NDArray[np.bool_]]:
        """All channels alive."""
        return {name: np.ones(group.width, bool) for name, group in self.groups.items()}

    def checked(self, alive: Alive) -> dict[str, NDArray[np.bool_]]:
        """The same as boolean arrays.

        Raises:
            DataError: a group is missing or foreign, or has another number of channels.
        """
        if set(alive) != set(self.groups):
            missing, foreign = sorted(set(self.groups) - set(alive)), sorted(set(alive) - set(self.groups))
            raise DataError(f"alive: groups missing {missing}, not of this model {foreign}; give every group's mask")
        found = {name: np.asarray(alive[name]).astype(bool) for name in self.groups}
        for name, mask in found.items():
            if mask.shape != (self.groups[name].width,):
                raise DataError(
                    f"alive of {name} has the shape {mask.shape}, the group {self.groups[name].width} channels"
                )
        return found

    def mask_sites(self) -> list[tuple[Step, Channels]]:
        """Calls behind which a mask must stand so that a masked channel is zero wherever another layer mixes it.

        They are those that can make something of a channel that is zero - convolutions, normalisation, sigmoids - and
        have one output with channels of a group; a convolution of which only such calls read the channels one by one,
        such as its batch normalisation, needs none of its own.
        """
        readers = defaultdict(list)
        for step, flow in zip(self.calls.steps, self.flows, strict=True):
            for tensor in step.inputs:
                readers[tensor].append(flow)
        returned = {leaf.tensor for leaf in tf.nest.flatten(self.calls.outputs)}
        found = []
        for step, flow in zip(self.calls.steps, self.flows, strict=True):
            if flow.keeps_zero or len(step.outputs) != 1 or np.all(self.index(flow.outputs[0]) == self._fixed):
                continue
            reading = readers[step.outputs[0]]
            is_masked_behind = reading and all(one.per_channel and not one.keeps_zero for one in reading)
            if not is_masked_behind or step.outputs[0] in returned:
                found.append((step, flow.outputs[0]))
        return found

    def fingerprint(self) -> str:
        """A sha256 of the layers, the shapes of their weights and the groups, but not of the weights' values."""
        layers = [
            (step.name, type(step.layer).__name__, [list(map(int, weight.shape)) for weight in step.layer.weights])
            for step in self.calls.steps
        ]
        groups = [(group.name, group.width, group.layers) for group in self.groups.values()]
        return hashlib.sha256(json.dumps([layers, groups]).encode()).hexdigest()

    def report(self) -> GraphReport:
        """Groups, what stays and why, and the layers that no rule covers."""
        return GraphReport(
            {name: (group.width, group.layers) for name, group in self.groups.items()}, self._reasons, self._unknown
        )

    def _follow(self, trace: Trace, handlers: Mapping[type, Rule]) -> list[Flow]:
        flows: list[Flow] = []
        first: dict[int, Flow] = {}
        for step in self.calls.steps:
            call = TracedCall(trace, step, self._traced, self.calls.shapes)
            flow = rule_for(step.layer, handlers)(call)
            call.check(flow)
            if flow.weights or flow.sizes or flow.edit:
                earlier = first.setdefault(id(step.layer), flow)
                for one, other in zip(_used(earlier), _used(flow), strict=True):
                    trace.tie(one, other)
            flows.append(flow)
            self._traced.update(zip(step.outputs, flow.outputs, strict=True))
        return flows

    def _by_hand(self, trace: Trace, pin: Sequence[str], tie: Sequence[str]) -> None:
        for expression in pin:
            for name, channels in self._matching("pin", expression):
                trace.pin(channels, f"{name} is pinned by {expression!r}")
        for expression in tie:
            matching = self._matching("tie", expression)
            for name, channels in matching[1:]:
                if len(channels) != len(matching[0][1]):
                    raise DataError(
                        f"tie {expression!r}: {matching[0][0]} has {len(matching[0][1])} channels, "
                        f"{name} {len(channels)}; tie layers of as many"
                    )
                trace.tie(matching[0][1], channels)

    def _matching(self, what: str, expression: str) -> list[tuple[str, Channels]]:
        try:
            pattern = re.compile(expression)
        except re.error as error:
            raise DataError(f"{what} {expression!r} is no regular expression: {error}") from None
        found = [
            (step.name, channels)
            for step, flow in zip(self.calls.steps, self.flows, strict=True)
            if pattern.fullmatch(step.name)
            for channels in flow.outputs
        ]
        if not found:
            names = ", ".join(dict.fromkeys(step.name for step in self.calls.steps))
            raise DataError(f"{what} {expression!r} matches no layer; there are {names}")
        return found

    def _group(self, trace: Trace) -> None:
        roots = trace.roots()
        reasons = defaultdict(list)
        for number, reason in trace.pins:
            reasons[int(roots[number])].append(reason)
        self._reasons = _by_reason(trace, reasons)
        occurs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for place, channels in enumerate(one for flow in self.flows for one in _listed(flow)):
            for root, often in zip(*np.unique(roots[channels], return_counts=True), strict=True):
                occurs[int(root)].append((place, int(often)))
        members: dict[tuple[str, tuple[tuple[int, int], ...]], list[int]] = defaultdict(list)
        for root in sorted(occurs):
            if root not in reasons:
                members[(trace.makers[root], tuple(occurs[root]))].append(root)
        makers: dict[int, list[str]] = defaultdict(list)
        for number, root in enumerate(roots):
            makers[int(root)].append(trace.makers[number])
        several: dict[str, int] = defaultdict(int)
        for maker, _ in members:
            several[maker] += 1
        self.groups: dict[str, Group] = {}
        self._firsts: dict[str, int] = {}
        position: dict[int, int] = {}
        made: dict[str, int] = defaultdict(int)
        for (maker, _), classes in members.items():
            name = maker if several[maker] == 1 else f"{maker}[{made[maker]}]"
            made[maker] += 1
            layers = tuple(dict.fromkeys(one for root in classes for one in makers[root]))
            self.groups[name] = Group(name, len(classes), layers)
            self._firsts[name] = len(position)
            position.update({root: self._firsts[name] + place for place, root in enumerate(classes)})
        self._fixed = len(position)
        self._index = np.array([position.get(int(root), self._fixed) for root in roots], np.int64)


def _listed(flow: Flow) -> Iterator[Channels]:
    """All that a call's flow lists, in a fixed order."""
    yield from _used(flow)
    for macs in flow.macs:
        yield macs.left
        if macs.right is not None:
            yield macs.right


def _used(flow: Flow) -> Iterator[Channels]:
    """What must be the same in all calls of a layer."""
    yield from flow.outputs
    for axes in flow.weights.values():
        yield from axes.values()
    yield from flow.sizes.values()


def _by_reason(trace: Trace, reasons: Mapping[int, list[str]]) -> dict[str, tuple[str, ...]]:
    """By the layer that makes them, why channels stay."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for root, why in reasons.items():
        found[trace.makers[root]].update(dict.fromkeys(why))
    return {maker: tuple(why) for maker, why in found.items()}
