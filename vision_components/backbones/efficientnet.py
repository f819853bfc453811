"""A small network of EfficientNet's kind (Tan and Le, 2019): compound scaling of depth and width."""

from __future__ import annotations

import math

import tensorflow as tf

from vision_components.backbones.inverted_residual import inverted_residual, scaled_channels
from vision_components.backbones.parts import convolution, layers, model_with_heads, pixels

# Expansion, channels, blocks, stride of the first, kernel: table 1 of the paper, with fewer halvings for small images.
STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 1, 3), (6, 40, 2, 2, 5), (6, 80, 2, 2, 3), (6, 112, 2, 1, 5), (6, 192, 2, 2, 5))
STEM, LAST, SQUEEZE = 32, 320, 0.25


def efficientnet(
    classes: int,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    stem_stride: int = 1,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    embedding_width: int | None = None,
    name: str | None = None,
) -> tf.keras.Model:
    """Inverted residual blocks with squeeze-and-excitation and swish.

    Args:
        classes: 2 or more.
        width: multiplies the channels of every layer, which are rounded to multiples of 8.
        depth: multiplies the blocks of every stage, rounded up.
        stem_stride: of the first convolution: 1 for small images, 2 or 4 for larger ones.
        input_shape: height, width, channels; open sizes allowed.
        embedding_width: of the second head; None for none.
        name: of the model; `efficientnet_0.5_1` for half the width.
    """
    image, x = pixels(input_shape)
    x = layers.Activation("swish", name="stem")(convolution(x, scaled_channels(STEM * width), 3, stem_stride, "stem"))
    block = 0
    for expansion, channels, blocks, stride, kernel in STAGES:
        for place in range(math.ceil(blocks * depth)):
            block += 1
            x = inverted_residual(
                x,
                scaled_channels(channels * width),
                expansion,
                stride if place == 0 else 1,
                f"block_{block}",
                kernel=kernel,
                activation="swish",
                squeeze=SQUEEZE,
            )
    x = layers.Activation("swish", name="last")(convolution(x, scaled_channels(LAST * width), 1, name="last"))
    return model_with_heads(image, x, classes, embedding_width, name or f"efficientnet_{width:g}_{depth:g}")
