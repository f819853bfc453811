"""Making planes smaller and larger: as products with small matrices, one for each axis."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

STEP = 4
Matrix = NDArray[np.floating[Any]]


def resized_plane(plane: NDArray[np.floating[Any]], height: int, width: int) -> NDArray[np.float32]:
    """A plane `[h, w]` in another size, float32: bilinear, with antialiasing when it shrinks."""
    if plane.shape == (height, width):
        return plane.astype(np.float32, copy=False)
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def resized_pixels(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Pixels `[h, w]` or `[h, w, 3]` in another size: bilinear, with antialiasing when they shrink."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


@functools.lru_cache(maxsize=64)
def antialiased_means(size: int, cells: int, dtype: DTypeLike = np.float64) -> Matrix:
    """The matrix `[cells, size]` of weighted means of `size` numbers around the centres of `cells` equal stretches.

    Weights fall linearly to nothing at the centres of the neighbouring stretches, as bilinear resizing with
    antialiasing has them. Rows sum to 1, at the ends too.
    """
    length = size / cells
    centres = (np.arange(cells)[:, np.newaxis] + 0.5) * length
    weights = np.clip(1 - np.abs(np.arange(size) + 0.5 - centres) / length, 0, None)
    return _kept(weights / weights.sum(axis=1, keepdims=True), dtype)


@functools.lru_cache(maxsize=64)
def smooth_upsampling(cells: int, size: int, dtype: DTypeLike = np.float64) -> Matrix:
    """The matrix `[size, cells]` of linear upsampling by four, again and again, until `size` is reached.

    64 times as many take three steps. The first value goes on before the first centre, and the last after the last.
    Interpolating what was interpolated rounds the bends off. Rows sum to 1.
    """
    matrix = np.eye(cells)
    while len(matrix) * STEP < size:
        matrix = _linear(len(matrix), len(matrix) * STEP) @ matrix
    return _kept(_linear(len(matrix), size) @ matrix, dtype)


def _linear(source: int, target: int) -> Matrix:
    """Linear interpolation between the centres of `source` cells at those of `target` cells, `[target, source]`."""
    places = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    before = np.minimum(places.astype(np.int64), max(source - 2, 0))
    share = places - before
    matrix = np.zeros((target, source))
    rows = np.arange(target)
    matrix[rows, before] = 1 - share
    matrix[rows, np.minimum(before + 1, source - 1)] += share
    return matrix


def _kept(matrix: Matrix, dtype: DTypeLike) -> Matrix:
    matrix = np.ascontiguousarray(matrix, dtype)
    matrix.setflags(write=False)
    return matrix
