"""Residual networks of the CIFAR family (He et al., 2016, section 4.2): 8, 20, 32, 56 layers."""

from __future__ import annotations

import tensorflow as tf

from vision_components.backbones.parts import convolution, layers, model_with_heads, pixels

STAGES = 3


def resnet(
    depth: int,
    classes: int,
    *,
    width: int = 16,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    embedding_width: int | None = None,
    name: str | None = None,
) -> tf.keras.Model:
    """A residual network of three stages, each of `(depth - 2) / 6` blocks of two 3x3 convolutions.

    Width doubles and size halves from stage to stage. Where a block changes either, its shortcut is a 1x1 convolution
    (option B), so that a block is one neighbourhood with one input and one output.

    Args:
        depth: 6 n + 2: 8, 14, 20, 32, 44, 56 and so on.
        classes: 2 or more.
        width: channels of the first stage.
        input_shape: height, width, channels; open sizes allowed.
        embedding_width: of the second head; None for none.
        name: of the model; `resnet20_16` for depth 20 and width 16.

    Raises:
        ValueError: there is no network of that depth.
    """
    if depth < 8 or (depth - 2) % (2 * STAGES):
        raise ValueError(f"depth {depth}; give 6 n + 2, such as 8, 20, 32 or 56")
    image, x = pixels(input_shape)
    x = layers.ReLU(name="stem")(convolution(x, width, 3, name="stem"))
    block = 0
    for stage in range(STAGES):
        for place in range((depth - 2) // (2 * STAGES)):
            block += 1
            x = residual_block(x, width << stage, 2 if stage and place == 0 else 1, f"block_{block}")
    return model_with_heads(image, x, classes, embedding_width, name or f"resnet{depth}_{width}")


def residual_block(
    x: tf.Tensor, filters: int, stride: int, name: str, middle: int | None = None, separable: bool = False
) -> tf.Tensor:
    """Two 3x3 convolutions beside a shortcut; the sum goes through the last rectifier, which has the block's name.

    Args:
        x: `[batch, height, width, channels]`.
        filters: channels of the result.
        stride: of the first convolution.
        name: of the block.
        middle: channels between the two; as many as of the result where None.
        separable: depthwise and pointwise convolutions in place of full ones.
    """
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = convolution(x, filters, 1, stride, f"{name}_shortcut")
    x = _convolution(x, middle or filters, stride, f"{name}_first", separable)
    x = layers.ReLU(name=f"{name}_first")(x)
    x = _convolution(x, filters, 1, f"{name}_second", separable)
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_sum")([x, shortcut]))


def _convolution(x: tf.Tensor, filters: int, stride: int, name: str, separable: bool) -> tf.Tensor:
    if not separable:
        return convolution(x, filters, 3, stride, name)
    x = layers.DepthwiseConv2D(3, stride, "same", use_bias=False, name=f"{name}_depthwise")(x)
    return convolution(x, filters, 1, 1, name)
