"""What an architecture costs: floating-point operations, weights, activations, and what a search pays for them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vision_components.structure.architecture import Architecture
from vision_components.structure.bilinear import BilinearTerms, Term
from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.liveness import liveness
from vision_components.structure.sizes import tensor_sizes
from vision_components.structure.tracing import weight_name


class Resource:
    """A cost that is a sum of products of numbers of channels.

    Called with an `Architecture`, or with a boolean array for each group, it is the exact cost of the model that
    `emit` makes of it, a whole number. Called with a tensor of probabilities for each group, float32 `[width]`, it is
    a scalar tensor that can be differentiated: the expected cost where channels live independently, as far as no layer
    reads the group that it writes.

    Args:
        graph: of the model.
        terms: of the cost.
        unit: of its numbers.

    Attributes:
        full: cost of the whole model.
    """

    def __init__(self, graph: ChannelGraph, terms: Sequence[Term], unit: str) -> None:
        self.graph, self.unit = graph, unit
        self._terms = BilinearTerms(graph, terms)
        self.full: float = self.of_widths({name: group.width for name, group in graph.groups.items()})

    def __call__(self, what: Architecture | Mapping[str, Any]) -> Any:
        """The exact cost of an architecture or of masks, or the expected one of probabilities.

        Of masks that leave nothing of what the outputs need, so that no model is to be made of them, it is the sum of
        products as it stands.

        Raises:
            DataError: a group's mask is missing or has another number of channels.
        """
        if isinstance(what, Architecture):
            return self.of_widths(what.widths, what.removed)
        if is_exact(what):
            return self.of_widths({name: int(mask.sum()) for name, mask in self.graph.checked(what).items()})
        return tf.reduce_sum(self._terms.expected(what))

    def of_widths(self, widths: Mapping[str, int], removed: Collection[str] = ()) -> float:
        """The exact cost for groups of such widths, narrower or wider than the model's.

        Args:
            widths: channels of each group.
            removed: names of layers of which the output counts as zero.
        """
        return sum(self._terms.exact(widths, liveness(self.graph, widths, removed).counted()))

    def reg(self, strength: Mapping[str, tf.Tensor], alive: Mapping[str, Any]) -> tf.Tensor:
        """MorphNet's bilinear regulariser, a scalar tensor; up to twice the cost, and not to be reported as one.

        The sum over layers of `C (A R_out + B R_in)`: A and B count the living input and output channels and have no
        gradient, R sums their strengths; so each channel pays what all that it feeds, and all that feeds it, would cost
        less without it. A depthwise convolution pays for its channels as inputs and as outputs.
        Gordon et al., arXiv 1711.06798, as the authors' library has it.

        Args:
            strength: by group a number 0 or more for each channel, float32 `[width]`.
            alive: by group whether each channel lives, `[width]`.
        """
        return tf.reduce_sum(self._terms.regularised(strength, alive))


class FLOPs(Resource):
    """Floating-point operations of one example: two for each multiply-add that `count_macs` counts.

    Args:
        graph: of the model.
        input_shape: of an example; by default the model's own.

    Raises:
        DataError: an axis of the input is open.
    """

    def __init__(self, graph: ChannelGraph, input_shape: Sequence[int] | None = None) -> None:
        super().__init__(graph, mac_terms(graph, input_shape, 2), "FLOPs")


class Params(Resource):
    """Numbers in the weights: kernels, biases, normalisation with its statistics, as `model.count_params()`.

    Args:
        graph: of the model.
    """

    def __init__(self, graph: ChannelGraph) -> None:
        super().__init__(graph, weight_terms(graph), "weights")


class Activations(Resource):
    """Numbers that convolutions and dense layers write for one example.

    Args:
        graph: of the model.
        input_shape: of an example; by default the model's own.
        channels_only: counts channels, as MorphNet's activation cost does, and not positions times channels.

    Raises:
        DataError: an axis of the input is open.
    """

    def __init__(
        self, graph: ChannelGraph, input_shape: Sequence[int] | None = None, channels_only: bool = False
    ) -> None:
        sizes = None if channels_only else tensor_sizes(graph.calls, input_shape)
        terms = [
            Term(math.prod(sizes[tensor][:-1]) if sizes else 1, channels, None, (place,))
            for place, (step, flow) in enumerate(zip(graph.calls.steps, graph.flows, strict=True))
            if flow.macs
            for tensor, channels in zip(step.outputs, flow.outputs, strict=True)
        ]
        super().__init__(graph, terms, "activations")


def is_exact(what: Mapping[str, Any]) -> bool:
    """Whether these are boolean arrays, of which the cost is exact, and not probabilities."""
    return all(isinstance(one, np.ndarray) and one.dtype == bool for one in what.values())


def mac_terms(graph: ChannelGraph, input_shape: Sequence[int] | None, each: int) -> list[Term]:
    """The multiply-adds of every call, `each` for one."""
    sizes = tensor_sizes(graph.calls, input_shape)
    terms = []
    for place, (step, flow) in enumerate(zip(graph.calls.steps, graph.flows, strict=True)):
        for macs in flow.macs:
            grid = sizes[(step.inputs if macs.grid == "input" else step.outputs)[0]]
            positions = math.prod(grid[:-1])
            terms.append(
                Term(each * macs.taps * positions, macs.left, macs.right, (place,), both_sides=macs.right is None)
            )
    return terms


def weight_terms(graph: ChannelGraph) -> list[Term]:
    """The numbers in every layer's weights, those of layers used several times once."""
    calls = defaultdict(list)
    for place, step in enumerate(graph.calls.steps):
        calls[step.name].append(place)
    terms = []
    for places in calls.values():
        layer, flow = graph.calls.steps[places[0]].layer, graph.flows[places[0]]
        for weight in layer.weights:
            axes = flow.weights.get(weight_name(weight.name), {})
            whole = math.prod(size for axis, size in enumerate(weight.shape) if axis not in axes)
            left, right = (*axes.values(), None, None)[:2]
            is_depthwise = len(axes) == 1 and len(weight.shape) > 2
            terms.append(Term(whole, left, right, tuple(places), both_sides=is_depthwise))
    return terms
