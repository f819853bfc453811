"""Following channels through calls: new ones, ties, pins with their reasons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.structure.calls import Step
from vision_components.structure.classes import Classes
from vision_components.structure.flow import Channels, Flow


class Trace:
    """All channels met so far.

    Attributes:
        makers: of each channel the layer that made it.
        pins: channels that must stay and why.
        unknown: layers that no rule covers and their classes.
    """

    def __init__(self) -> None:
        self._classes = Classes()
        self.makers: list[str] = []
        self.pins: list[tuple[int, str]] = []
        self.unknown: list[tuple[str, str]] = []

    def new(self, count: int, maker: str) -> Channels:
        """Channels of their own."""
        self.makers += [maker] * count
        return self._classes.new(count)

    def tie(self, one: Channels, other: Channels) -> None:
        """Each of one is the same as that of the other at its place."""
        for left, right in zip(one.tolist(), other.tolist(), strict=True):
            self._classes.unite(left, right)

    def pin(self, channels: Channels, reason: str) -> None:
        """They stay."""
        self.pins += [(number, reason) for number in dict.fromkeys(channels.tolist())]

    def roots(self) -> NDArray[np.int64]:
        """Of each channel the first that is the same."""
        return self._classes.roots()


class TracedCall:
    """What a rule is given of one call; see `flow.CallSite`."""

    def __init__(
        self, trace: Trace, step: Step, traced: dict[int, Channels], shapes: list[tuple[int | None, ...]]
    ) -> None:
        self._trace = trace
        self._name = step.name
        self.layer, self.args, self.kwargs = step.layer, step.args, step.kwargs
        self.inputs = tuple(traced[tensor] for tensor in step.inputs)
        self.input_shapes = tuple(shapes[tensor] for tensor in step.inputs)
        self.output_shapes = tuple(shapes[tensor] for tensor in step.outputs)

    def new(self, count: int) -> Channels:
        """Channels of this call's own."""
        return self._trace.new(count, self._name)

    def tie(self, one: Channels, other: Channels) -> None:
        """Each channel of one is the same as that of the other at its place."""
        self._trace.tie(one, other)

    def pin(self, channels: Channels, reason: str) -> None:
        """These channels stay."""
        self._trace.pin(channels, f"{self._name}: {reason}")

    def pinned(self, reason: str) -> Flow:
        """All that it reads and returns stays."""
        outputs = tuple(self.new(width_of(shape)) for shape in self.output_shapes)
        for channels in (*self.inputs, *outputs):
            self.pin(channels, reason)
        return Flow(outputs)

    def unknown(self) -> Flow:
        """As `pinned`, and reported as a layer without a rule."""
        kind = type(self.layer).__name__
        self._trace.unknown.append((self._name, kind))
        return self.pinned(f"no rule for {kind}")

    def check(self, flow: Flow) -> None:
        """Hold what a rule says against the tensors and the weights.

        Raises:
            DataError: it gives another number of outputs or channels, or names a weight or an axis that is not there.
        """
        kind = f"the rule of {type(self.layer).__name__} ({self._name})"
        if len(flow.outputs) != len(self.output_shapes):
            raise DataError(f"{kind} gives {len(flow.outputs)} outputs of {len(self.output_shapes)}")
        for channels, shape in zip(flow.outputs, self.output_shapes, strict=True):
            if len(shape) > 1 and shape[-1] is not None and len(channels) != shape[-1]:
                raise DataError(f"{kind} gives {len(channels)} channels of {shape[-1]}; give one number for each")
        weights = {weight_name(weight.name): tuple(weight.shape) for weight in self.layer.weights}
        for name, axes in flow.weights.items():
            if name not in weights:
                raise DataError(f"{kind} names the weight {name!r}; there are {', '.join(weights) or 'none'}")
            for axis, channels in axes.items():
                if axis >= len(weights[name]) or weights[name][axis] != len(channels):
                    raise DataError(
                        f"{kind} gives {len(channels)} channels along axis {axis} of {name} {weights[name]}"
                    )


def weight_name(name: str) -> str:
    """The weight's own name: `kernel` of `block_1/conv/kernel:0`."""
    return name.rsplit("/", 1)[-1].split(":")[0]


def width_of(shape: tuple[int | None, ...]) -> int:
    """Channels of a tensor: the size of its last axis behind the batch; none without such an axis or if it is open."""
    return (shape[-1] or 0) if len(shape) > 1 else 0
