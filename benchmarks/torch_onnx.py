"""ONNX graphs in PyTorch, for a GPU whose machine has no ONNX Runtime for it.

The operators are those of exported cascade stages and of codec decoders. What a graph reckons with shapes stays on the
host in NumPy. On a GPU the graph is recorded once for every shape of its inputs, as a CUDA graph, and replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch.nn import functional

WARM_RUNS = 3
Value = Any  # A tensor for data, an array for what is reckoned with shapes.
Attributes = Mapping[str, Any]
# As ONNX numbers element types: float32, uint8, int32, int64, bool.
TYPES = {1: (torch.float32, np.float32), 2: (torch.uint8, np.uint8), 6: (torch.int32, np.int32),
         7: (torch.int64, np.int64), 9: (torch.bool, np.bool_)}  # fmt: skip


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: its name, and its sizes, with a text where one is open."""

    name: str
    shape: tuple[int | str, ...]


class UnknownOperatorError(Exception):
    """The graph has an operator that this module does not know."""


class TorchGraph:
    """A graph with the methods of ONNX Runtime's session that benchmarks use.

    Args:
        path: of the graph.
        device: where it runs; TensorFloat-32 is off, since thresholds were set on float32.

    Raises:
        UnknownOperatorError: the graph has an operator that is not known here.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        graph = onnx.load(str(path)).graph
        unknown = sorted({node.op_type for node in graph.node} - set(OPERATORS) - {"Shape"})
        if unknown:
            raise UnknownOperatorError(f"{path}: {', '.join(unknown)} are unknown here; run it with ONNX Runtime")
        self._nodes, self._device = list(graph.node), device
        self._constants: dict[str, Value] = {}
        for constant in graph.initializer:
            array = numpy_helper.to_array(constant)
            is_data = array.dtype == np.float32
            self._constants[constant.name] = torch.tensor(array, device=device) if is_data else array
        self._inputs = [_port(one) for one in graph.input if one.name not in self._constants]
        self._outputs = [_port(one) for one in graph.output]
        self._recorded: dict[tuple[tuple[int, ...], ...], _Recording] = {}

    def get_inputs(self) -> list[Port]:
        """Inputs in order."""
        return self._inputs

    def get_outputs(self) -> list[Port]:
        """Outputs in order."""
        return self._outputs

    def run(self, names: Sequence[str], given: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The named outputs for given inputs, both in the host's memory."""
        if self._device.type == "cpu":
            said = self.computed({name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in given.items()})
            return [said[name].numpy() for name in names]
        recording = self.recording({name: one.shape for name, one in given.items()}, given)
        for name, array in given.items():
            recording.inputs[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))
        recording.graph.replay()
        return [recording.outputs[name].cpu().numpy() for name in names]

    def recording(self, shapes: Mapping[str, Sequence[int]], like: Mapping[str, NDArray[Any]]) -> _Recording:
        """The recorded graph for these shapes; its outputs follow its inputs when it is replayed."""
        key = tuple(tuple(shapes[port.name]) for port in self._inputs)
        if key not in self._recorded:
            inputs = {name: torch.tensor(array, device=self._device) for name, array in like.items()}
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                for _ in range(WARM_RUNS):
                    self.computed(inputs)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=side):
                outputs = self.computed(inputs)
            self._recorded[key] = _Recording(graph, inputs, outputs)
        return self._recorded[key]

    @torch.no_grad()
    def computed(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """All outputs, node by node."""
        values: dict[str, Value] = {"": None, **self._constants, **inputs}
        for node in self._nodes:
            attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            operands = [values[name] for name in node.input]
            if node.op_type == "Shape":
                found: Value = np.array(operands[0].shape, np.int64)
            else:
                found = OPERATORS[node.op_type](attributes, *operands)
            for name, one in zip(node.output, found if node.op_type == "Split" else [found], strict=True):
                values[name] = one
        return {port.name: values[port.name] for port in self._outputs}


@dataclass(frozen=True)
class _Recording:
    graph: Any
    inputs: dict[str, torch.Tensor]
    outputs: dict[str, torch.Tensor]


def _port(one: onnx.ValueInfoProto) -> Port:
    return Port(one.name, tuple(size.dim_value or size.dim_param for size in one.type.tensor_type.shape.dim))


def _cast(attributes: Attributes, x: Value) -> Value:
    tensor, array = TYPES[attributes["to"]]
    return x.to(tensor) if isinstance(x, torch.Tensor) else np.asarray(x).astype(array)


def _conv(attributes: Attributes, x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None = None) -> Value:
    strides, pads = tuple(attributes.get("strides", (1, 1))), tuple(attributes.get("pads", (0, 0, 0, 0)))
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        pads = _same(x.shape[2:], kernel.shape[2:], strides)
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
    dilations, groups = tuple(attributes.get("dilations", (1, 1))), attributes.get("group", 1)
    return functional.conv2d(x, kernel, bias, strides, (top, left), dilations, groups)


def _same(sizes: Sequence[int], extents: Sequence[int], strides: Sequence[int]) -> tuple[int, int, int, int]:
    totals = [
        max((-(-size // stride) - 1) * stride + extent - size, 0)
        for size, extent, stride in zip(sizes, extents, strides, strict=True)
    ]
    before = [total // 2 for total in totals]
    return before[0], before[1], totals[0] - before[0], totals[1] - before[1]


def _transposed_conv(
    attributes: Attributes, x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None = None
) -> Value:
    strides, groups = tuple(attributes.get("strides", (1, 1))), attributes.get("group", 1)
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    found = functional.conv_transpose2d(x, kernel, bias, strides, groups=groups)
    return found[:, :, top : found.shape[2] - bottom, left : found.shape[3] - right]


def _slice(
    attributes: Attributes, x: Value, starts: Value, ends: Value, axes: Value = None, steps: Value = None
) -> Value:
    places = range(len(starts)) if axes is None else axes
    strides = [1] * len(starts) if steps is None else steps
    found: list[slice] = [slice(None)] * x.ndim
    for place, start, end, stride in zip(places, starts, ends, strides, strict=True):
        found[int(place)] = slice(int(start), int(end), int(stride))
    return x[tuple(found)]


def _pad(attributes: Attributes, x: torch.Tensor, pads: Value, value: Value = None) -> Value:
    half = len(pads) // 2
    flat = [int(one) for axis in reversed(range(half)) for one in (pads[axis], pads[half + axis])]
    mode = attributes.get("mode", b"constant").decode()
    return functional.pad(x, flat) if mode == "constant" else functional.pad(x, flat, mode=mode)


def _squeeze(attributes: Attributes, x: Value, axes: Value = None) -> Value:
    for axis in sorted((int(one) % x.ndim for one in np.atleast_1d(axes)), reverse=True):
        x = x.squeeze(axis)
    return x


def _unsqueeze(attributes: Attributes, x: Value, axes: Value) -> Value:
    for axis in sorted(int(one) for one in np.atleast_1d(axes)):
        x = x.unsqueeze(axis) if isinstance(x, torch.Tensor) else np.expand_dims(x, axis)
    return x


def _concat(attributes: Attributes, *parts: Value) -> Value:
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(parts, dim=attributes["axis"])
    return np.concatenate(parts, axis=attributes["axis"])


def _split(attributes: Attributes, x: Value, sizes: Value = None) -> Sequence[Value]:
    axis = attributes.get("axis", 0)
    if sizes is None:
        return list(np.split(x, x.shape[axis], axis=axis))
    return list(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def _divide(attributes: Attributes, x: Value, y: Value) -> Value:
    if isinstance(x, torch.Tensor) or np.issubdtype(np.asarray(x).dtype, np.floating):
        return x / y
    return (np.trunc(np.asarray(x) / np.asarray(y))).astype(np.asarray(x).dtype)


def _largest(attributes: Attributes, *values: Value) -> Value:
    maximum = torch.maximum if isinstance(values[0], torch.Tensor) else np.maximum
    found = values[0]
    for one in values[1:]:
        found = maximum(found, one)
    return found


def _reshape(attributes: Attributes, x: Value, shape: Value) -> Value:
    return x.reshape([x.shape[place] if size == 0 else int(size) for place, size in enumerate(shape)])


OPERATORS: dict[str, Callable[..., Value]] = {
    "Abs": lambda _, x: abs(x),
    "Add": lambda _, x, y: x + y,
    "Cast": _cast,
    "Clip": lambda _, x, low, high: x.clamp(float(low), float(high)),
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _transposed_conv,
    "Div": _divide,
    "Gather": lambda attributes, x, places: np.take(x, places, axis=attributes.get("axis", 0)),
    "GlobalAveragePool": lambda _, x: x.mean(dim=(2, 3), keepdim=True),
    "MatMul": lambda _, x, y: x @ y,
    "Max": _largest,
    "Mul": lambda _, x, y: x * y,
    "Neg": lambda _, x: -x,
    "Pad": _pad,
    "Relu": lambda _, x: torch.relu(x),
    "Reshape": _reshape,
    "Sigmoid": lambda _, x: torch.sigmoid(x),
    "Slice": _slice,
    "Softmax": lambda attributes, x: torch.softmax(x, dim=attributes.get("axis", -1)),
    "Split": _split,
    "Sqrt": lambda _, x: torch.sqrt(x),
    "Squeeze": _squeeze,
    "Sub": lambda _, x, y: x - y,
    "Transpose": lambda attributes, x: x.permute(tuple(attributes["perm"])),
    "Unsqueeze": _unsqueeze,
}
