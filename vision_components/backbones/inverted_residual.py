"""The inverted residual block of MobileNetV2 and, with squeeze-and-excitation, of EfficientNet."""

from __future__ import annotations

import tensorflow as tf

from vision_components.backbones.parts import MOMENTUM, convolution, layers


def inverted_residual(
    x: tf.Tensor,
    filters: int,
    expansion: int,
    stride: int,
    name: str,
    *,
    kernel: int = 3,
    activation: str = "relu6",
    squeeze: float = 0.0,
) -> tf.Tensor:
    """Expand by a 1x1 convolution, filter each channel alone, project back linearly; a shortcut where shapes allow.

    Args:
        x: `[batch, height, width, channels]`.
        filters: channels of the result.
        expansion: channels between, in multiples of those of `x`; 1 leaves the first convolution out.
        stride: of the depthwise convolution.
        name: of the block; its last layer has it.
        kernel: size of the depthwise convolution.
        activation: after the first two convolutions.
        squeeze: channels of the squeeze, as a share of those of `x`; 0 leaves squeeze-and-excitation out.
    """
    before, channels = x, x.shape[-1]
    if expansion != 1:
        x = layers.Activation(activation)(convolution(x, channels * expansion, 1, name=f"{name}_expand"))
    x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_depthwise_norm")(x)
    x = layers.Activation(activation)(x)
    if squeeze:
        x = _excited(x, max(1, round(channels * squeeze)), activation, name)
    shortcut = stride == 1 and channels == filters
    x = convolution(x, filters, 1, name=f"{name}_project")
    return layers.Add(name=name)([x, before]) if shortcut else layers.Activation("linear", name=name)(x)


def _excited(x: tf.Tensor, narrow: int, activation: str, name: str) -> tf.Tensor:
    """Channels weighed by what they hold over the whole image (Hu et al., 2018)."""
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    weights = layers.Conv2D(narrow, 1, activation=activation, name=f"{name}_squeeze_conv")(weights)
    weights = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=f"{name}_excite")(weights)
    return layers.Multiply(name=f"{name}_excited")([x, weights])


def scaled_channels(channels: float, divisor: int = 8) -> int:
    """Channels rounded to a multiple of `divisor`, at least one of it, and never below nine tenths of `channels`."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
