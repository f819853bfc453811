"""Channels through Keras' layers without a kernel: normalisation, pooling, activations, joins, shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vision_components.structure.convolution_rules import is_known_per_channel, is_zero_kept
from vision_components.structure.flow import CallSite, Channels, Flow, Rule, Sizes

layers = tf.keras.layers


def passing(keeps_zero: bool = True) -> Rule:
    """The rule of a layer that treats every channel alone and alike."""

    def rule(call: CallSite) -> Flow:
        if getattr(call.layer, "data_format", "channels_last") != "channels_last":
            return call.pinned("channels are not the last axis")
        return Flow((call.inputs[0],), keeps_zero=keeps_zero, per_channel=True)

    return rule


def elementwise(call: CallSite, join: str = "other") -> Flow:
    """Tensors joined number by number: channels at the same place are the same; one alone spreads over all."""
    widest = max(call.inputs, key=len)
    for channels in call.inputs:
        if len(channels) == len(widest):
            call.tie(widest, channels)
        else:
            call.pin(channels, "spreads over all channels")
    # With a tensor of one channel that stays, a sum is not zero where the others are.
    narrow = any(len(channels) != len(widest) for channels in call.inputs)
    return Flow((widest,), join="sum" if join == "sum" and not narrow else "other", keeps_zero=not narrow)


def reshaped(call: CallSite, target: Sequence[int | None]) -> Flow | None:
    """Channels through a change of shape that leaves them the last axis or lays out whole positions; None for others.

    Args:
        call: of one input.
        target: its shape afterwards, without the batch.
    """
    (channels,), before = call.inputs, call.input_shapes[0][1:]
    width = len(channels)
    if target[-1] == width and before[-1] == width:
        return Flow((channels,), keeps_zero=True, per_channel=True)
    positions = [size for size in before[:-1] if size is not None]
    if len(target) == 1 and len(positions) == len(before) - 1:
        return Flow((np.tile(channels, math.prod(positions)),), keeps_zero=True)
    # A vector of several channels a position, as before it was flattened, could only be cut at a stride of its own.
    return None


def _batch_normalisation(call: CallSite) -> Flow:
    layer, (channels,) = call.layer, call.inputs
    axis = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if axis not in ([-1], [len(call.input_shapes[0]) - 1]):
        return call.pinned("normalises along another axis than the last")
    if layer.renorm:
        return call.pinned("renormalises by statistics that are not covered")
    names = ["moving_mean", "moving_variance", *(["gamma"] if layer.scale else []), *(["beta"] if layer.center else [])]
    return Flow((channels,), {name: {0: channels} for name in names}, per_channel=True)


def _mixing(reason: str) -> Rule:
    """A layer that passes channels on but computes over all of them: none may go."""

    def rule(call: CallSite) -> Flow:
        for channels in call.inputs:
            call.pin(channels, reason)
        return Flow((call.inputs[0],))

    return rule


def _prelu(call: CallSite) -> Flow:
    (channels,), shape = call.inputs, call.layer.alpha.shape
    axes = {len(shape) - 1: channels} if shape[-1] == len(channels) else {}
    return Flow((channels,), {"alpha": axes} if axes else {}, keeps_zero=True, per_channel=True)


def _activation(call: CallSite) -> Flow:
    activation = call.layer.activation
    if not is_known_per_channel(activation):
        return _mixing(f"{getattr(activation, '__name__', 'its activation')} may mix channels")(call)
    return passing(is_zero_kept(activation))(call)


def _concatenated(call: CallSite) -> Flow:
    axis, rank = call.layer.axis, len(call.output_shapes[0])
    if axis not in (-1, rank - 1):
        return elementwise(call)
    return Flow((np.concatenate(_in_order(call)),), keeps_zero=True, join="concat")


def _in_order(call: CallSite) -> list[Channels]:
    """Channels of the listed tensors, one that occurs twice twice."""
    numbers = dict.fromkeys(
        leaf.tensor for leaf in tf.nest.flatten((call.args, call.kwargs)) if hasattr(leaf, "tensor")
    )
    by_number = dict(zip(numbers, call.inputs, strict=True))
    return [by_number[leaf.tensor] for leaf in tf.nest.flatten(call.args) if hasattr(leaf, "tensor")]


def _flattened(call: CallSite) -> Flow:
    if call.layer.data_format != "channels_last":
        return call.pinned("channels are not the last axis")
    flow = reshaped(call, call.output_shapes[0][1:])
    return flow or call.pinned("flattens a tensor of open size")


def _reshape(call: CallSite) -> Flow:
    flow = reshaped(call, call.output_shapes[0][1:])
    if flow is None:
        return call.pinned(f"reshapes {call.input_shapes[0][1:]} to {call.output_shapes[0][1:]} across channels")
    channels = flow.outputs[0]

    def edit(config: dict[str, Any], count: Sizes) -> dict[str, Any]:
        return {**config, "target_shape": (*config["target_shape"][:-1], count(channels))}

    return Flow(flow.outputs, edit=edit, keeps_zero=True, per_channel=flow.per_channel)


def _rescaling(call: CallSite) -> Flow:
    if np.size(call.layer.scale) > 1 or np.size(call.layer.offset) > 1:
        return call.pinned("has a number for each channel in its configuration")
    return passing(keeps_zero=not np.any(call.layer.offset))(call)


def _sum(call: CallSite) -> Flow:
    return elementwise(call, "sum")


_PASSING = (
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.ThresholdedReLU, layers.ActivityRegularization),
    *(layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.GaussianDropout),
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
    *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D),
    *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D, layers.CenterCrop),
    *(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D, layers.Resizing),
)

# What they fill in, or add, need not be zero.
_SHIFTING = (
    *(layers.RandomFlip, layers.RandomCrop, layers.RandomRotation, layers.RandomTranslation, layers.RandomZoom),
    *(layers.RandomBrightness, layers.RandomContrast, layers.GaussianNoise),
)

LAYER_RULES: dict[type, Rule] = {
    layers.BatchNormalization: _batch_normalisation,
    layers.LayerNormalization: _mixing("normalises over channels"),
    layers.GroupNormalization: _mixing("normalises over channels"),
    layers.UnitNormalization: _mixing("normalises over channels"),
    layers.Softmax: _mixing("softmax mixes channels"),
    layers.Normalization: lambda call: call.pinned("has a number for each channel in its state"),
    layers.PReLU: _prelu,
    layers.Activation: _activation,
    layers.Add: _sum,
    layers.Subtract: elementwise,
    layers.Multiply: elementwise,
    layers.Average: elementwise,
    layers.Maximum: elementwise,
    layers.Minimum: elementwise,
    layers.Concatenate: _concatenated,
    layers.Flatten: _flattened,
    layers.Reshape: _reshape,
    layers.Rescaling: _rescaling,
    **dict.fromkeys(_PASSING, passing()),
    **dict.fromkeys(_SHIFTING, passing(keeps_zero=False)),
}
