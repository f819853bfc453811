"""Images moved a little: the cheapest way to have more of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shifted(pixels: NDArray[np.uint8], most: int, rng: np.random.Generator, mirror: bool = False) -> NDArray[np.uint8]:
    """Each image shifted by chance, what comes in at an edge being the picture mirrored there.

    Args:
        pixels: `[rows, height, width, channels]`.
        most: pixels in each direction, below height and width.
        rng: source of chance.
        mirror: whether half of the images are also mirrored from left to right; not for letters and digits.
    """
    rows, height, width = pixels.shape[:3]
    padded = np.pad(pixels, ((0, 0), (most, most), (most, most), (0, 0)), mode="reflect")
    down, right = rng.integers(2 * most + 1, size=(2, rows, 1))
    across = np.tile(np.arange(width), (rows, 1))
    if mirror:
        across = np.where(rng.integers(2, size=(rows, 1)) == 1, across[:, ::-1], across)
    lines, columns = down + np.arange(height), right + across
    return padded[np.arange(rows)[:, np.newaxis, np.newaxis], lines[:, :, np.newaxis], columns[:, np.newaxis]]
