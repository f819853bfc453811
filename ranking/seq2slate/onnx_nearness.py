"""Nearness to the placed items as ONNX nodes."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ranking.onnx_builder import OnnxBuilder
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.nearness import TINY


class OnnxNearness:
    """Adds the nodes of `ranking.seq2slate.nearness.Nearness` as the decoder's steps are written out.

    Args:
        graph: receives the nodes; has the input `mask`.
        model: with at least one nearness level.
        items: name of the standardised features `[batch, list_size, features]`.
    """

    def __init__(self, graph: OnnxBuilder, model: Seq2Slate, items: str) -> None:
        self._graph, layer = graph, model.nearness
        self._projection = graph.constant(model.nearness_projection.numpy(), "nearness_projection")
        self._reach = graph.constant(layer.reach.numpy(), "nearness_reach")
        self._steepness = graph.constant(np.exp(layer.log_steepness.numpy()), "nearness_steepness")
        self._tiny = graph.constant(np.float32(TINY), "nearness_tiny")
        self._two = graph.constant(np.float32(2), "two")
        scale = graph.constant(layer.feature_scale.numpy(), "nearness_feature_scale")
        self._coordinates = self._in_list_units(graph.add("Mul", items, scale))
        self._nearness = ""

    def projected(self) -> str:
        """`W_near n_i` of the items placed so far, at least one, `[batch, list_size, rho]`."""
        return self._graph.add("MatMul", self._nearness, self._projection)

    def place(self, selector: str) -> None:
        """Place the item that `selector` f32 `[batch, 1, list_size]` has its one at."""
        graph = self._graph
        placed = graph.add("MatMul", selector, self._coordinates)
        squares = self._squared(graph.add("Sub", self._coordinates, placed))
        distance = graph.add("Sqrt", graph.add("Add", graph.add("ReduceSum", squares, graph.ints(2)), self._tiny))
        near = graph.add("Sigmoid", graph.add("Mul", graph.add("Sub", self._reach, distance), self._steepness))
        self._nearness = graph.add("Max", self._nearness, near) if self._nearness else near

    def _in_list_units(self, scaled: str) -> str:
        """`scaled` over the root mean squared distance between two items of the list."""
        graph = self._graph
        present = graph.add("Unsqueeze", graph.add("Cast", "mask", to=TensorProto.FLOAT), graph.ints(2))
        size = graph.add("ReduceSum", present, graph.ints(1))
        size = graph.add("Max", size, graph.constant(np.float32(1), "one_item"))
        mean = graph.add("Div", graph.add("ReduceSum", graph.add("Mul", scaled, present), graph.ints(1)), size)
        squares = graph.add("Mul", self._squared(graph.add("Sub", scaled, mean)), present)
        variance = graph.add("Div", graph.add("ReduceSum", squares, graph.ints(1, 2)), size)
        unit = graph.add("Sqrt", graph.add("Add", graph.add("Mul", variance, self._two), self._tiny))
        return graph.add("Div", scaled, unit)

    def _squared(self, values: str) -> str:
        return self._graph.add("Mul", values, values)
