"""Pictures to train on, read from files and folders."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.codec.pictures import pictures_below, read_picture


@dataclass(frozen=True)
class TrainingPictures:
    """What was read.

    Attributes:
        pictures: uint8 `[height, width, 3]`.
        left_out: a line for every file that was not used, and why.
    """

    pictures: list[NDArray[np.uint8]]
    left_out: list[str]


def read_training_pictures(paths: Sequence[Path], side: int, most: int, seed: int = 0) -> TrainingPictures:
    """Read files, and the pictures in folders, that have sides of `side` pixels or more; of too many a random choice.

    Raises:
        DataError: a path does not exist, or no picture is left.
    """
    files, left_out = pictures_below(list(paths)), []
    if len(files) > most:
        left_out.append(f"{len(files) - most} of {len(files)} pictures left out, chosen at random")
        files = sorted(random.Random(seed).sample(files, most))
    pictures = []
    for path in files:
        try:
            picture = read_picture(path)
        except DataError as error:
            left_out.append(f"left out: {error}")
            continue
        if min(picture.shape[:2]) < side:
            left_out.append(f"left out: {path} of {picture.shape[1]} x {picture.shape[0]}, smaller than a patch")
        else:
            pictures.append(picture)
    if not pictures:
        raise DataError(f"none of {len(files)} pictures can be trained on: {'; '.join(left_out[:3])}")
    return TrainingPictures(pictures, left_out)
