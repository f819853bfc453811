"""How close a decoded picture is to its original: PSNR and MS-SSIM."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError

# Five scales of an 11-tap window: the smallest, 1/16 of the side, must hold the window.
SMALLEST_SIDE = 161


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures of one shape; infinite where they are equal.

    Raises:
        DataError: types or shapes differ.
    """
    _check(first, second)
    error = float(np.mean(np.square(first.astype(np.float64) - second)))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ms_ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Multi-scale structural similarity (Wang et al., 2003), five scales, of two uint8 `[height, width, 3]`: up to 1.

    Raises:
        DataError: types or shapes differ, or a side has fewer than 161 pixels.
    """
    _check(first, second)
    if min(first.shape[:2]) < SMALLEST_SIDE:
        raise DataError(f"MS-SSIM of {list(first.shape)} pixels; sides must be {SMALLEST_SIDE} or more, take PSNR")
    return float(tf.image.ssim_multiscale(tf.constant(first), tf.constant(second), 255))


def ms_ssim_decibels(similarity: float) -> float:
    """-10 log10(1 - MS-SSIM), the scale on which codecs are compared; infinite at 1."""
    return math.inf if similarity >= 1 else -10 * math.log10(1 - similarity)


def _check(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    for picture in (first, second):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.size == 0:
            raise DataError(f"picture {picture.dtype} {list(picture.shape)}; give uint8 [height, width, channels]")
    if first.shape != second.shape:
        raise DataError(f"pictures of {list(first.shape)} and {list(second.shape)}; give two of one shape")
