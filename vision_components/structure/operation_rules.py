"""Channels through operations on Keras tensors, such as `tf.nn.relu(x)`, `x + y` or `tf.concat`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vision_components.structure.calls import Ref
from vision_components.structure.flow import CallSite, Flow, Rule
from vision_components.structure.layer_rules import elementwise, passing, reshaped

_ZERO_KEPT = frozenset(
    {
        *("nn.relu", "nn.relu6", "nn.leaky_relu", "nn.elu", "nn.selu", "nn.silu", "nn.swish", "nn.gelu", "nn.softsign"),
        *("math.tanh", "math.abs", "math.negative", "math.sqrt", "math.square", "math.sign"),
        *("identity", "stop_gradient", "cast", "image.resize", "nn.dropout"),
        *("nn.avg_pool", "nn.avg_pool2d", "nn.max_pool", "nn.max_pool2d"),
    }
)
_PER_CHANNEL = frozenset({"math.sigmoid", "math.exp", "math.softplus", "clip_by_value"})
_SUMS = frozenset({"__operators__.add", "math.add", "math.add_n"})
_QUOTIENTS = frozenset({"math.truediv", "math.divide"})
_JOINS = _SUMS | _QUOTIENTS | {"math.multiply", "math.subtract", "math.maximum", "math.minimum"}
_REDUCTIONS = frozenset(f"math.reduce_{what}" for what in ("mean", "max", "min", "sum"))


def operation_rule(layer: tf.keras.layers.Layer) -> Rule | None:
    """The rule of an operation's layer; None if there is none."""
    name = layer.get_config()["function"]
    if name in _PER_CHANNEL or name in _ZERO_KEPT:
        return lambda call: _alone(call, name in _ZERO_KEPT)
    if name in _JOINS:
        return lambda call: _join(call, name)
    if name in _REDUCTIONS:
        return _reduced
    return {
        "concat": _concatenated,
        "reshape": _reshape,
        "__operators__.getitem": _slice,
        "expand_dims": _expanded,
        "compat.v1.squeeze": _squeezed,
        "squeeze": _squeezed,
        "compat.v1.pad": _padded,
        "pad": _padded,
    }.get(name)


def _alone(call: CallSite, keeps_zero: bool) -> Flow:
    if len(call.inputs) != 1 or _constants_of_channels(call):
        return call.pinned("takes an array of its own")
    return passing(keeps_zero)(call)


def _join(call: CallSite, name: str) -> Flow:
    if _constants_of_channels(call):
        return call.pinned("takes an array of its own")
    if name in _QUOTIENTS and (len(call.inputs) > 1 or not isinstance(_argument(call, 0, "x"), Ref)):
        # A masked channel would be divided by zero.
        return call.pinned("divides by a tensor")
    if len(call.inputs) == 1:
        is_scaled = name == "math.multiply" or name in _QUOTIENTS
        return passing(keeps_zero=is_scaled or not _constants(call))(call)
    if any(len(shape) != len(call.output_shapes[0]) for shape in call.input_shapes):
        return call.pinned("joins tensors of different ranks")
    return elementwise(call, "sum" if name in _SUMS else "other")


def _reduced(call: CallSite) -> Flow:
    axis, rank = _argument(call, 1, "axis"), len(call.input_shapes[0])
    axes = {place % rank for place in np.atleast_1d(axis)} if axis is not None else {rank - 1}
    if axes & {0, rank - 1}:
        return call.pinned("reduces over channels or images")
    return passing()(call)


def _concatenated(call: CallSite) -> Flow:
    values, axis = _argument(call, 0, "values"), _argument(call, 1, "axis")
    rank = len(call.output_shapes[0])
    if not all(isinstance(value, Ref) for value in values):
        return call.pinned("takes an array of its own")
    if axis % rank != rank - 1:
        return elementwise(call) if axis % rank else call.pinned("joins images")
    by_number = dict(zip(dict.fromkeys(value.tensor for value in values), call.inputs, strict=True))
    outputs = np.concatenate([by_number[value.tensor] for value in values])
    return Flow((outputs,), keeps_zero=True, join="concat")


def _reshape(call: CallSite) -> Flow:
    """Only to a shape that leaves the last size open, since the others stand in the call itself."""
    shape = _argument(call, 1, "shape")
    is_open = isinstance(shape, Sequence) and len(shape) > 1 and shape[-1] == -1
    flow = reshaped(call, call.output_shapes[0][1:]) if is_open and len(call.inputs) == 1 else None
    return flow or call.pinned("reshapes to sizes that stand in the call; let the last be -1")


def _slice(call: CallSite) -> Flow:
    """Cuts in space alone; a cut through channels would stand at another place in a narrower tensor."""
    spec, rank = _argument(call, 1, "slice_spec"), len(call.input_shapes[0])
    spec = list(spec) if isinstance(spec, (list, tuple)) else [spec]
    whole = {"start": None, "stop": None, "step": None}
    # None makes an axis, which may stand before the channels only.
    cuts = [one for one in spec if one is not None]
    is_known = all(isinstance(one, (dict, int)) for one in cuts) and len(cuts) <= rank and len(call.inputs) == 1
    reaches_channels = len(cuts) == rank and spec[-1] != whole
    if not is_known or reaches_channels or spec[0] != whole:
        return call.pinned("cuts channels or images")
    return passing()(call)


def _expanded(call: CallSite) -> Flow:
    rank = len(call.output_shapes[0])
    axis = _argument(call, 1, "axis")
    if not isinstance(axis, int) or axis % rank in (0, rank - 1):
        return call.pinned("makes another axis the last")
    return passing()(call)


def _squeezed(call: CallSite) -> Flow:
    axis, rank = _argument(call, 1, "axis"), len(call.input_shapes[0])
    if axis is None or {place % rank for place in np.atleast_1d(axis)} & {0, rank - 1}:
        return call.pinned("takes away the last axis, or any")
    return passing()(call)


def _padded(call: CallSite) -> Flow:
    paddings, mode = _argument(call, 1, "paddings"), _argument(call, 2, "mode")
    value = call.kwargs.get("constant_values", 0)
    is_array = not any(isinstance(leaf, Ref) for leaf in tf.nest.flatten(paddings))
    if not is_array or np.any(np.asarray(paddings)[[0, -1]]):
        return call.pinned("pads channels or images")
    return passing(keeps_zero=(mode or "CONSTANT").upper() != "CONSTANT" or value == 0)(call)


def _argument(call: CallSite, place: int, name: str) -> Any:
    return call.args[place] if place < len(call.args) else call.kwargs.get(name)


def _constants(call: CallSite) -> list[Any]:
    leaves = tf.nest.flatten((call.args, {name: value for name, value in call.kwargs.items() if name != "name"}))
    return [leaf for leaf in leaves if leaf is not None and not isinstance(leaf, (Ref, str, bool, tf.DType))]


def _constants_of_channels(call: CallSite) -> bool:
    """Whether arrays stand in the call, of which the channels could not be told or cut."""
    return any(np.ndim(leaf) > 0 for leaf in _constants(call)) or any(
        isinstance(argument, (list, tuple))
        and not any(isinstance(one, Ref) for one in tf.nest.flatten(argument))
        and call.layer.get_config()["function"] in _JOINS | {"clip_by_value"}
        for argument in (*call.args, *call.kwargs.values())
    )
