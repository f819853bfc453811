"""Sizes of all tensors of a network for inputs of given sizes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.calls import LayerCalls, Step


def tensor_sizes(calls: LayerCalls, input_shape: Sequence[int] | None = None) -> dict[int, tuple[int, ...]]:
    """Of every tensor by its number the sizes for one example, without the batch.

    Args:
        calls: of the model.
        input_shape: of an example, for a model of one input; by default the model's own.

    Raises:
        DataError: an axis is open, or there are several inputs for one shape.
    """
    shapes = [tuple(tensor.shape[1:]) for tensor in calls.model.inputs]
    if input_shape is not None:
        if len(shapes) > 1:
            raise DataError(f"input_shape {tuple(input_shape)}: {calls.model.name} has {len(shapes)} inputs; give none")
        shapes = [tuple(input_shape)]
    for shape in shapes:
        if any(size is None for size in shape):
            raise DataError(f"input_shape {shape} has an open axis; give all sizes")
    found: dict[int, tuple[int, ...]] = dict(zip(calls.inputs, shapes, strict=True))

    def call(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "training" in inspect.signature(step.layer.call).parameters and kwargs.get("training") is None:
            kwargs = {**kwargs, "training": False}
        result = step.layer(*args, **kwargs)
        for number, tensor in zip(step.outputs, tf.nest.flatten(result), strict=True):
            found[number] = tuple(tensor.shape[1:])
        return result

    signature = [
        tf.TensorSpec((1, *shape), tensor.dtype) for shape, tensor in zip(shapes, calls.model.inputs, strict=True)
    ]
    tf.function(lambda *inputs: calls.run(inputs, call)).get_concrete_function(*signature)
    return found
