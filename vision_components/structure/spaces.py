"""Networks to search in: more operators and channels than are to be kept, each channel with a gate in the end.

Any functional network is a space of widths. The two here also leave open which operators a block has:

* a mixture of kernels expands into parallel depthwise convolutions of several sizes, which are concatenated, so that
  how many channels of each size survive is the block;
* parallel operators are summed beside an identity, and an operator is gone when all its own channels are.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.backbones.parts import MOMENTUM, convolution, layers, model_with_heads, pixels
from vision_components.structure.spread_channels import SpreadChannels

KERNELS = (3, 5, 7)
# Channels and stride of each block.
BLOCKS = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1))
STEM = 16


def kernel_mixture(
    classes: int,
    *,
    blocks: Sequence[tuple[int, int]] = BLOCKS,
    expansion: int = 3,
    kernels: Sequence[int] = KERNELS,
    stem: int = STEM,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    name: str = "kernel_mixture",
) -> tf.keras.Model:
    """Inverted residual blocks whose expanded channels are filtered by kernels of several sizes.

    Args:
        classes: 2 or more.
        blocks: channels and stride of each.
        expansion: channels of each kernel size, in multiples of the block's input.
        kernels: odd sizes.
        stem: channels of the first convolution.
        input_shape: height, width, channels; open sizes allowed.
        name: of the model.

    Raises:
        DataError: there is no kernel, or one of an even size.
    """
    if not kernels or any(size % 2 == 0 or size < 1 for size in kernels):
        raise DataError(f"kernels {list(kernels)}; give odd sizes such as 3, 5 and 7")
    image, x = pixels(input_shape)
    x = layers.ReLU(name="stem")(convolution(x, stem, 3, name="stem"))
    for place, (filters, stride) in enumerate(blocks, 1):
        x = mixed_block(x, filters, stride, f"block_{place}", expansion, kernels)
    return model_with_heads(image, layers.ReLU(name="last")(x), classes, None, name)


def mixed_block(
    x: tf.Tensor, filters: int, stride: int, name: str, expansion: int = 3, kernels: Sequence[int] = KERNELS
) -> tf.Tensor:
    """Expand for each kernel size, filter, concatenate, project back linearly; a shortcut where shapes allow."""
    before, channels = x, int(x.shape[-1])
    parts = [_filtered(x, channels * expansion, size, stride, f"{name}_kernel_{size}") for size in kernels]
    x = parts[0] if len(parts) == 1 else layers.Concatenate(name=f"{name}_mixed")(parts)
    x = convolution(x, filters, 1, name=f"{name}_project")
    if stride == 1 and channels == filters:
        return layers.Add(name=name)([x, before])
    return layers.Activation("linear", name=name)(x)


def parallel_operators(
    classes: int,
    *,
    blocks: Sequence[tuple[int, int]] = BLOCKS,
    stem: int = STEM,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    name: str = "parallel_operators",
) -> tf.keras.Model:
    """Blocks that sum a convolution, two inverted bottlenecks and, where shapes allow, what came in.

    Args:
        classes: 2 or more.
        blocks: channels and stride of each.
        stem: channels of the first convolution.
        input_shape: height, width, channels; open sizes allowed.
        name: of the model.
    """
    image, x = pixels(input_shape)
    x = layers.ReLU(name="stem")(convolution(x, stem, 3, name="stem"))
    for place, (filters, stride) in enumerate(blocks, 1):
        x = parallel_block(x, filters, stride, f"block_{place}")
    return model_with_heads(image, x, classes, None, name)


def parallel_block(x: tf.Tensor, filters: int, stride: int, name: str, kernels: Sequence[int] = (3, 5)) -> tf.Tensor:
    """The sum of a 3x3 convolution, a bottleneck for each kernel size, and the input where shapes allow, rectified."""
    operators = [convolution(x, filters, 3, stride, f"{name}_full")]
    for size in kernels:
        middle = _filtered(x, int(x.shape[-1]), size, stride, f"{name}_kernel_{size}")
        operators.append(convolution(middle, filters, 1, name=f"{name}_kernel_{size}_project"))
    if stride == 1 and x.shape[-1] == filters:
        operators.append(x)
    spread = [SpreadChannels(filters, name=f"{name}_operator_{place}")(one) for place, one in enumerate(operators)]
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_sum")(spread))


def _filtered(x: tf.Tensor, channels: int, size: int, stride: int, name: str) -> tf.Tensor:
    """A pointwise convolution and a depthwise one, both normalised and rectified."""
    x = layers.ReLU(name=f"{name}_wide")(convolution(x, channels, 1, name=f"{name}_expand"))
    x = layers.DepthwiseConv2D(size, stride, "same", use_bias=False, name=f"{name}_depthwise")(x)
    return layers.ReLU(name=name)(layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x))
