"""Students of residual blocks: thinner, or with depthwise and pointwise convolutions."""

from __future__ import annotations

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.backbones.resnet import residual_block
from vision_components.distillation.split import Neighbourhood

# Side of the image by which a neighbourhood of open sizes shows how much it shrinks one.
PROBE = 16


def residual_student(
    neighbourhood: Neighbourhood, middle: float = 0.5, separable: bool = False, name: str | None = None
) -> tf.keras.Model:
    """A residual block in place of a neighbourhood, with fewer channels between its two convolutions.

    Args:
        neighbourhood: one picture in, one out, its side the same or halved.
        middle: channels between, as a share of those that come out, above 0.
        separable: depthwise and pointwise convolutions in place of full ones.
        name: of the model.

    Raises:
        DataError: the neighbourhood does not map pictures so, or the share is not positive.
    """
    shape, filters = neighbourhood.input_shape, neighbourhood.output_shape[-1]
    if len(shape) != 3 or len(neighbourhood.output_shape) != 3 or filters is None:
        raise DataError(
            f"{neighbourhood.name!r} maps {shape} to {neighbourhood.output_shape}; give a part for pictures"
        )
    if not middle > 0:
        raise DataError(f"middle {middle}; give a share above 0")
    sizes = tuple(PROBE if size is None else size for size in shape)
    after = neighbourhood.model.compute_output_shape((1, *sizes))[1]
    if after not in (sizes[0], -(-sizes[0] // 2)):
        raise DataError(f"{neighbourhood.name!r} turns a side of {sizes[0]} into {after}; a block keeps or halves it")
    image = tf.keras.Input(shape)
    stride = 1 if after == sizes[0] else 2
    channels = max(1, round(filters * middle))
    kind = "separable" if separable else "thin"
    block = residual_block(image, filters, stride, "block", channels, separable)
    return tf.keras.Model(image, block, name=name or f"{neighbourhood.name}_{kind}_{channels}")
