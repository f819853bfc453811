"""What a model costs: multiply-adds of its convolutions and matrix products, counted in the graph that runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seriatim_errors import DataError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

LOOPS = frozenset({"While", "StatelessWhile", "If", "StatelessIf"})
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def count_macs(model: keras.Model, input_shape: Sequence[int] | None = None) -> int:
    """Multiply-adds of one example: FLOPs, as TensorFlow's profiler counts them, are twice as many.

    Every use of a shared layer counts, and so does what lies in nested models and in layers of one's own, because the
    operations themselves are counted: convolutions (grouped, depthwise and transposed ones too) and products of
    matrices. Additions, activations, normalisation and pooling are not, as is usual.

    Args:
        model: built, with one input.
        input_shape: of an example, such as `(32, 32, 3)`; by default the model's own.

    Raises:
        DataError: an axis of the input is open, or the model has a loop or a branch, whose cost no graph tells.
    """
    import tensorflow as tf

    shape = tuple(model.input_shape[1:] if input_shape is None else input_shape)
    if any(size is None for size in shape):
        raise DataError(f"input_shape {shape} has an open axis; give all sizes")
    dtype = model.inputs[0].dtype
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec((1, *shape), dtype))
    return sum(_macs(operation) for operation in _operations(traced.graph))


def _operations(graph: Any) -> Iterator[tf.Operation]:
    """The operations of a graph and of the functions that it calls."""
    for operation in graph.get_operations():
        if operation.type in LOOPS:
            raise DataError(f"operation {operation.name} is a {operation.type}; what it costs depends on its data")
        if operation.type in CALLS:
            yield from _operations(graph._get_function(operation.get_attr("f").name).graph)
        else:
            yield operation


def _macs(operation: tf.Operation) -> int:
    kind = operation.type
    if kind == "Conv2D":
        # A filter of a grouped convolution is as deep as its group: [height, width, depth, outputs].
        return _image_size(operation.outputs[0]) * math.prod(_shape(operation.inputs[1])[:3])
    if kind == "DepthwiseConv2dNative":
        return _image_size(operation.outputs[0]) * math.prod(_shape(operation.inputs[1])[:2])
    if kind == "Conv2DBackpropInput":
        # A transposed convolution spreads every input over a window: filter [height, width, outputs, inputs].
        return _image_size(operation.inputs[2]) * math.prod(_shape(operation.inputs[1])[:3])
    if kind == "Conv3D":
        return _image_size(operation.outputs[0]) * math.prod(_shape(operation.inputs[1])[:4])
    if kind == "Conv3DBackpropInputV2":
        return _image_size(operation.inputs[2]) * math.prod(_shape(operation.inputs[1])[:4])
    if kind == "MatMul":
        left = _shape(operation.inputs[0])
        return _size(operation.outputs[0]) * left[0 if operation.get_attr("transpose_a") else 1]
    if kind in ("BatchMatMul", "BatchMatMulV2"):
        left = _shape(operation.inputs[0])
        return _size(operation.outputs[0]) * left[-2 if operation.get_attr("adj_x") else -1]
    return 0


def _shape(tensor: tf.Tensor) -> list[int]:
    return _closed(tensor.shape.as_list(), tensor.name)


def _closed(shape: list[int | None], name: str) -> list[int]:
    sizes = [size for size in shape if size is not None]
    if len(sizes) < len(shape):
        raise DataError(f"{name} has the open shape {shape}; give the model an input of fixed sizes")
    return sizes


def _image_size(tensor: tf.Tensor) -> int:
    """Numbers in the images: one, but several where a dilated convolution has cut it up.

    Within a function of its own, as that of a grouped convolution, the number of images is left open; it is one.
    """
    images, *sizes = tensor.shape.as_list()
    return (1 if images is None else images) * math.prod(_closed(sizes, tensor.name))


def _size(tensor: tf.Tensor) -> int:
    return math.prod(_shape(tensor))
