"""Nearness to the placed items as ONNX nodes."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ranking.onnx_builder import OnnxBuilder
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.nearness import FAR, TINY
from ranking.seq2slate.onnx_encoders import list_positions
from ranking.seq2slate.starting_logits import FASTER


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
        if model.starting_logits is not None:
            self._direct = graph.constant(FASTER * model.starting_logits.near.numpy()[:, None], "nearness_direct")
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

    def direct(self) -> str:
        """`b . n_i` of a model that starts from the base order, `[batch, list_size]`; see `projected`."""
        weighted = self._graph.add("MatMul", self._nearness, self._direct)
        return self._graph.add("Squeeze", weighted, self._graph.ints(2))

    def place(self, selector: str) -> None:
        """Place the item that `selector` f32 `[batch, 1, list_size]` has its one at."""
        graph = self._graph
        placed = graph.add("MatMul", selector, self._coordinates)
        squares = self._squared(graph.add("Sub", self._coordinates, placed))
        distance = graph.add("Sqrt", graph.add("Add", graph.add("ReduceSum", squares, graph.ints(2)), self._tiny))
        near = graph.add("Sigmoid", graph.add("Mul", graph.add("Sub", self._reach, distance), self._steepness))
        self._nearness = graph.add("Max", self._nearness, near) if self._nearness else near

    def _in_list_units(self, scaled: str) -> str:
        """`scaled` over the median distance between two items of the list."""
        graph = self._graph
        unit = graph.add("Sqrt", graph.add("Add", self._median_squared_distance(scaled), self._tiny))
        return graph.add("Div", scaled, graph.add("Unsqueeze", unit, graph.ints(2)))

    def _median_squared_distance(self, items: str) -> str:
        """`ranking.seq2slate.nearness.median_squared_distance` as nodes, f32 `[batch, 1]`."""
        graph = self._graph
        present = graph.add("Unsqueeze", graph.add("Cast", "mask", to=TensorProto.FLOAT), graph.ints(2))
        size = graph.add("ReduceSum", present, graph.ints(1))
        size = graph.add("Max", size, graph.constant(np.float32(1), "one_item"))
        mean = graph.add("Div", graph.add("ReduceSum", graph.add("Mul", items, present), graph.ints(1)), size)
        centred = graph.add("Mul", graph.add("Sub", items, mean), present)
        norms = graph.add("ReduceSum", self._squared(centred), graph.ints(2))
        products = graph.add("MatMul", centred, graph.add("Transpose", centred, perm=[0, 2, 1]))
        squared = graph.add("Add", norms, graph.add("Transpose", norms, perm=[0, 2, 1]))
        squared = graph.add("Sub", squared, graph.add("Mul", products, self._two))
        squared = graph.add("Max", squared, graph.constant(np.float32(0), "zero"))
        counted = self._pairs()
        squared = graph.add("Where", counted, squared, graph.constant(np.float32(FAR), "far"))
        flat = graph.add("Reshape", squared, graph.ints(0, -1))
        twice = graph.add("ReduceSum", graph.add("Cast", counted, to=TensorProto.INT64), graph.ints(1, 2), keepdims=0)
        half = graph.add("Div", twice, graph.constant(np.int64(2), "two_int"))
        # As many of the smallest as the longest list's half holds.
        longest = graph.add("Max", graph.add("ReduceMax", half, keepdims=1), graph.ints(1))
        ascending, _ = graph.add_many("TopK", flat, longest, outputs=2, axis=1, largest=0)
        last = graph.add("Sub", graph.add("Max", half, graph.ints(1)), graph.ints(1))
        return graph.add("GatherElements", ascending, graph.add("Unsqueeze", last, graph.ints(1)), axis=1)

    def _pairs(self) -> str:
        """Bool `[batch, list_size, list_size]`, true between two different items of a list."""
        graph = self._graph
        both = graph.add(
            "And", graph.add("Unsqueeze", "mask", graph.ints(2)), graph.add("Unsqueeze", "mask", graph.ints(1))
        )
        positions = list_positions(graph)
        same = graph.add("Equal", graph.add("Unsqueeze", positions, graph.ints(1)), positions)
        return graph.add("And", both, graph.add("Not", same))

    def _squared(self, values: str) -> str:
        return self._graph.add("Mul", values, values)
