"""Backbones by their names, as they stand in configurations and reports."""

from __future__ import annotations

import re

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.backbones.efficientnet import efficientnet
from vision_components.backbones.mobilenet import mobilenet
from vision_components.backbones.resnet import resnet

RESNET = re.compile(r"resnet(\d+)_(\d+)")
SCALED = re.compile(r"(mobilenet|efficientnet)_(\d*\.?\d+)")


def backbone_named(
    name: str,
    classes: int,
    *,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    embedding_width: int | None = None,
) -> tf.keras.Model:
    """The backbone of a name: `resnet20_16` by depth and channels, `mobilenet_0.5`, `efficientnet_0.5` by width.

    Args:
        name: which backbone.
        classes, input_shape, embedding_width: as of the builders.

    Raises:
        DataError: no backbone is called so.
    """
    if match := RESNET.fullmatch(name):
        depth, width = map(int, match.groups())
        if depth >= 8 and (depth - 2) % 6 == 0 and width > 0:
            return resnet(depth, classes, width=width, input_shape=input_shape, embedding_width=embedding_width)
    elif (match := SCALED.fullmatch(name)) and float(match[2]) > 0:
        build = mobilenet if match[1] == "mobilenet" else efficientnet
        scale = float(match[2])
        return build(classes, width=scale, input_shape=input_shape, embedding_width=embedding_width, name=name)
    raise DataError(
        f"backbone {name!r}: give resnet and 6 n + 2 layers with the channels of the first stage, such as resnet20_16, "
        "or mobilenet or efficientnet with a width, such as mobilenet_0.5"
    )
