"""Write ONNX graphs node by node, with the standardisation of the features inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ranking.standardisation import Standardisation

OPSET, IR_VERSION = 15, 8
# Name, element type and shape of a graph's input or output; a text is a dynamic axis.
TensorSpec = tuple[str, int, Sequence[int | str]]


class OnnxBuilder:
    """Collects nodes and constants under fresh names; each `add` returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._known: set[str] = set()

    def constant(self, value: NDArray | np.generic, name: str) -> str:
        """The constant `value` under `name`; asking twice for a name adds it once."""
        if name not in self._known:
            self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
            self._known.add(name)
        return name

    def ints(self, *values: int) -> str:
        """An int64 vector constant, as axes and shapes want it."""
        return self.constant(np.array(values, np.int64), "ints_" + "_".join(map(str, values)))

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """A node with one output."""
        return self.add_many(operator, *inputs, outputs=1, **attributes)[0]

    def add_many(self, operator: str, *inputs: str, outputs: int, **attributes: object) -> list[str]:
        """A node with several outputs."""
        names = [f"{operator.lower()}_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def rename(self, result: str, name: str) -> None:
        """Give `result` the public `name` of a graph output."""
        self.nodes.append(helper.make_node("Identity", [result], [name]))

    def standardised(self, features: str, standardisation: Standardisation) -> str:
        """`Standardisation.apply` as nodes over the raw `features`."""
        if standardisation.log1p:
            one = self.constant(np.float32(1), "one")
            grown = self.add("Log", self.add("Add", self.add("Abs", features), one))
            features = self.add("Mul", self.add("Sign", features), grown)
        centred = self.add("Sub", features, self.constant(standardisation.mean, "mean"))
        return self.add("Div", centred, self.constant(standardisation.scale, "scale"))

    def model(self, name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> onnx.ModelProto:
        """The finished, checked model."""
        proto = helper.make_model(
            helper.make_graph(
                self.nodes,
                name,
                [helper.make_tensor_value_info(*spec) for spec in inputs],
                [helper.make_tensor_value_info(*spec) for spec in outputs],
                self.constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        proto.ir_version = IR_VERSION
        onnx.checker.check_model(proto)
        return proto
