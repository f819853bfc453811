"""Channels through convolutions of all kinds and dense layers."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from vision_components.structure.flow import CallSite, Channels, Flow, Macs, Rule

_LAST = "channels_last"


def _convolution(call: CallSite) -> Flow:
    layer, (channels,) = call.layer, call.inputs
    if layer.data_format != _LAST:
        return call.pinned("channels are not the last axis")
    if layer.groups > 1:
        return _grouped(call)
    outputs, kernel = call.new(layer.filters), len(layer.kernel_size)
    return Flow(
        (outputs,),
        _with_bias(layer, outputs, {"kernel": {kernel: channels, kernel + 1: outputs}}),
        {"filters": outputs},
        macs=(Macs(math.prod(layer.kernel_size), channels, outputs),),
    )


def _grouped(call: CallSite) -> Flow:
    """Groups stay equally wide: channels at the same place of each are tied; where each has one, a group is it."""
    layer, (channels,) = call.layer, call.inputs
    taps, kernel = math.prod(layer.kernel_size), len(layer.kernel_size)
    if layer.groups == len(channels):
        outputs = np.repeat(channels, layer.filters // layer.groups)
        return Flow(
            (outputs,),
            _with_bias(layer, outputs, {"kernel": {kernel + 1: outputs}}),
            {"groups": channels, "filters": outputs},
            macs=(Macs(taps, outputs),),
        )
    outputs = call.new(layer.filters)
    first = channels.reshape(layer.groups, -1)[0]
    for group in channels.reshape(layer.groups, -1)[1:]:
        call.tie(first, group)
    for group in outputs.reshape(layer.groups, -1)[1:]:
        call.tie(outputs[: len(group)], group)
    return Flow(
        (outputs,),
        _with_bias(layer, outputs, {"kernel": {kernel: first, kernel + 1: outputs}}),
        {"filters": outputs},
        macs=(Macs(taps, first, outputs),),
    )


def _transposed(call: CallSite) -> Flow:
    layer, (channels,) = call.layer, call.inputs
    if layer.data_format != _LAST:
        return call.pinned("channels are not the last axis")
    outputs, kernel = call.new(layer.filters), len(layer.kernel_size)
    return Flow(
        (outputs,),
        _with_bias(layer, outputs, {"kernel": {kernel: outputs, kernel + 1: channels}}),
        {"filters": outputs},
        macs=(Macs(math.prod(layer.kernel_size), channels, outputs, grid="input"),),
    )


def _depthwise(call: CallSite) -> Flow:
    layer, (channels,) = call.layer, call.inputs
    if layer.data_format != _LAST:
        return call.pinned("channels are not the last axis")
    outputs = np.repeat(channels, layer.depth_multiplier)
    return Flow(
        (outputs,),
        _with_bias(layer, outputs, {"depthwise_kernel": {len(layer.kernel_size): channels}}),
        macs=(Macs(math.prod(layer.kernel_size), outputs),),
        # A bias or an activation makes something of nothing.
        keeps_zero=not layer.use_bias and is_zero_kept(layer.activation),
        per_channel=layer.depth_multiplier == 1,
    )


def _separable(call: CallSite) -> Flow:
    layer, (channels,) = call.layer, call.inputs
    if layer.data_format != _LAST:
        return call.pinned("channels are not the last axis")
    middle, outputs = np.repeat(channels, layer.depth_multiplier), call.new(layer.filters)
    spatial = len(layer.kernel_size)
    weights = {
        "depthwise_kernel": {spatial: channels},
        "pointwise_kernel": {spatial: middle, spatial + 1: outputs},
    }
    return Flow(
        (outputs,),
        _with_bias(layer, outputs, weights),
        {"filters": outputs},
        macs=(Macs(math.prod(layer.kernel_size), middle), Macs(1, middle, outputs)),
    )


def _dense(call: CallSite) -> Flow:
    layer, (channels,) = call.layer, call.inputs
    outputs = call.new(layer.units)
    return Flow(
        (outputs,),
        _with_bias(layer, outputs, {"kernel": {0: channels, 1: outputs}}),
        {"units": outputs},
        macs=(Macs(1, channels, outputs),),
    )


def _with_bias(
    layer: tf.keras.layers.Layer, outputs: Channels, weights: dict[str, dict[int, Channels]]
) -> dict[str, dict[int, Channels]]:
    return {**weights, "bias": {0: outputs}} if layer.use_bias else weights


_ZERO_KEPT = frozenset(
    {"linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "swish", "silu", "tanh", "softsign", "mish"}
)
_PER_CHANNEL = _ZERO_KEPT | {"sigmoid", "hard_sigmoid", "exponential", "softplus"}


def is_zero_kept(activation: object) -> bool:
    """Whether an activation is one that is known to be zero at zero."""
    return getattr(activation, "__name__", "") in _ZERO_KEPT


def is_known_per_channel(activation: object) -> bool:
    """Whether an activation is one that is known to look at each number alone."""
    return getattr(activation, "__name__", "") in _PER_CHANNEL


def _of_known_activation(rule: Rule) -> Rule:
    """Softmax, or whatever else looks at several channels, keeps them all."""

    def checked(call: CallSite) -> Flow:
        flow = rule(call)
        if not is_known_per_channel(call.layer.activation):
            name = getattr(call.layer.activation, "__name__", "activation")
            for channels in flow.outputs:
                call.pin(channels, f"{name} may mix channels")
        return flow

    return checked


layers = tf.keras.layers
CONVOLUTION_RULES: dict[type, Rule] = {
    kind: _of_known_activation(rule)
    for rule, kinds in (
        (_convolution, (layers.Conv1D, layers.Conv2D, layers.Conv3D)),
        (_transposed, (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)),
        (_depthwise, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)),
        (_separable, (layers.SeparableConv1D, layers.SeparableConv2D)),
        (_dense, (layers.Dense,)),
    )
    for kind in kinds
}
