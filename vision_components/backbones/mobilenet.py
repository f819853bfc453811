"""A small network of MobileNetV2's kind (Sandler et al., 2018)."""

from __future__ import annotations

import tensorflow as tf

from vision_components.backbones.inverted_residual import inverted_residual, scaled_channels
from vision_components.backbones.parts import convolution, layers, model_with_heads, pixels

# Expansion, channels, blocks, stride of the first: table 2 of the paper, with half the blocks of its middle and
# three halvings, which suit images of 32 pixels. A stem of stride 2 and more suits larger ones.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 2, 2), (6, 64, 2, 2), (6, 96, 1, 1), (6, 160, 2, 2))
STEM, LAST = 32, 320


def mobilenet(
    classes: int,
    *,
    width: float = 1.0,
    stem_stride: int = 1,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    embedding_width: int | None = None,
    name: str | None = None,
) -> tf.keras.Model:
    """Inverted residual blocks with linear bottlenecks.

    Args:
        classes: 2 or more.
        width: multiplies the channels of every layer, which are rounded to multiples of 8.
        stem_stride: of the first convolution: 1 for small images, 2 or 4 for larger ones.
        input_shape: height, width, channels; open sizes allowed.
        embedding_width: of the second head; None for none.
        name: of the model; `mobilenet_0.5` for half the width.
    """
    image, x = pixels(input_shape)
    x = layers.Activation("relu6", name="stem")(convolution(x, scaled_channels(STEM * width), 3, stem_stride, "stem"))
    block = 0
    for expansion, channels, blocks, stride in STAGES:
        for place in range(blocks):
            block += 1
            filters = scaled_channels(channels * width)
            x = inverted_residual(x, filters, expansion, stride if place == 0 else 1, f"block_{block}")
    x = layers.Activation("relu6", name="last")(convolution(x, scaled_channels(LAST * width), 1, name="last"))
    return model_with_heads(image, x, classes, embedding_width, name or f"mobilenet_{width:g}")
