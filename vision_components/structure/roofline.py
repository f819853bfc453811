"""Estimated time of an architecture: of each call the slower of its arithmetic and its memory traffic."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vision_components.structure.architecture import Architecture
from vision_components.structure.bilinear import BilinearTerms, Term
from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.devices import Device, device_named
from vision_components.structure.liveness import liveness
from vision_components.structure.resources import is_exact, mac_terms, weight_terms
from vision_components.structure.sizes import tensor_sizes


class Roofline:
    """Milliseconds of a batch by the roofline model, over the convolutions, dense layers and what else multiplies.

    Each takes `max(operations / peak rate, bytes / bandwidth)`; its bytes are what it reads, its weights and what it
    writes. It is an estimate for choosing widths and no measurement: normalisation, activations and the starting of
    calls are not in it.

    Args:
        graph: of the model.
        device: a name in `DEVICES`, or rates, such as `measured_device()`.
        batch: examples; weights are read once for all of them.
        bytes_each: of a number: 4 for float32, 2 for half precision.
        input_shape: of an example; by default the model's own.

    Attributes:
        full: time of the whole model.

    Raises:
        DataError: no device has that name, or an axis of the input is open.
    """

    unit = "ms"

    def __init__(
        self,
        graph: ChannelGraph,
        device: str | Device,
        batch: int = 1,
        bytes_each: int = 4,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        self.graph = graph
        self.device = device_named(device) if isinstance(device, str) else device
        arithmetic = mac_terms(graph, input_shape, 2 * batch)
        self._calls = sorted({term.calls[0] for term in arithmetic})
        traffic = _traffic(graph, self._calls, input_shape, batch, bytes_each)
        self._arithmetic, self._traffic = BilinearTerms(graph, arithmetic), BilinearTerms(graph, traffic)
        self._arithmetic_of, self._traffic_of = self._owners(arithmetic), self._owners(traffic)
        self.full = self.of_widths({name: group.width for name, group in graph.groups.items()})

    def __call__(self, what: Architecture | Mapping[str, Any]) -> Any:
        """The time of an architecture or of masks, a number, or the expected one of probabilities, a tensor.

        Raises:
            DataError: as `Resource` does.
        """
        if isinstance(what, Architecture):
            return self.of_widths(what.widths, what.removed)
        if is_exact(what):
            return self.of_widths({name: int(mask.sum()) for name, mask in self.graph.checked(what).items()})
        return tf.reduce_sum(tf.maximum(*self._times(self._arithmetic.expected(what), self._traffic.expected(what))))

    def of_widths(self, widths: Mapping[str, int], removed: Collection[str] = ()) -> float:
        """The time for groups of such widths; `removed` names layers of which the output counts as zero."""
        live = liveness(self.graph, widths, removed).counted()
        operations, moved = self._arithmetic.exact(widths, live), self._traffic.exact(widths, live)
        computing = np.bincount(self._arithmetic_of, operations, len(self._calls)) / self.device.gflops
        reading = np.bincount(self._traffic_of, moved, len(self._calls)) / self.device.bandwidth
        return float(np.maximum(computing, reading).sum() / 1e6)

    def reg(self, strength: Mapping[str, tf.Tensor], alive: Mapping[str, Any]) -> tf.Tensor:
        """The bilinear regulariser of whichever is slower in each call with the living channels, a scalar tensor.

        Args:
            strength, alive: as of `Resource.reg`.
        """
        counts = {name: tf.cast(one, tf.float32) for name, one in alive.items()}
        computing, reading = self._times(self._arithmetic.expected(counts), self._traffic.expected(counts))
        of_both = self._times(self._arithmetic.regularised(strength, alive), self._traffic.regularised(strength, alive))
        return tf.reduce_sum(tf.where(computing >= reading, *of_both))

    def _owners(self, terms: Sequence[Term]) -> list[int]:
        """Of each term the place of its call among those that multiply."""
        return [self._calls.index(term.calls[0]) for term in terms]

    def _times(self, operations: tf.Tensor, moved: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Milliseconds of arithmetic and of traffic, float32 `[calls]`."""
        calls = len(self._calls)
        computing = tf.math.unsorted_segment_sum(operations, tf.constant(self._arithmetic_of, tf.int32), calls)
        reading = tf.math.unsorted_segment_sum(moved, tf.constant(self._traffic_of, tf.int32), calls)
        return computing / (self.device.gflops * 1e6), reading / (self.device.bandwidth * 1e6)


def _traffic(
    graph: ChannelGraph, calls: Sequence[int], input_shape: Sequence[int] | None, batch: int, bytes_each: int
) -> list[Term]:
    """Bytes that each of these calls reads and writes; the weights of a shared layer are read in each."""
    sizes = tensor_sizes(graph.calls, input_shape)
    weights = weight_terms(graph)
    terms = []
    for place in calls:
        step, flow = graph.calls.steps[place], graph.flows[place]
        tensors = [(tensor, graph.channels(tensor)) for tensor in step.inputs]
        tensors += list(zip(step.outputs, flow.outputs, strict=True))
        terms += [
            Term(batch * bytes_each * math.prod(sizes[tensor][:-1]), channels, None, (place,))
            for tensor, channels in tensors
        ]
        terms += [
            Term(bytes_each * term.coefficient, term.left, term.right, (place,))
            for term in weights
            if place in term.calls
        ]
    return terms
