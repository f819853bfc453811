"""Less noise in a sky: bands of a Laplacian pyramid are shrunk, except where they hold stars or edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# What is left of the noise in bands of 1, 2, 4, 8, 16 and 32 pixels.
KEPT = (0.38, 0.53, 0.66, 0.67, 0.69, 0.80)
# In standard deviations of the sky's noise: a detail begins to be kept, and is kept wholly at twice that.
DETAIL = 3.0
DEVIATIONS_PER_MEDIAN = 1.4826
SAMPLES = 1 << 16
Plane = NDArray[np.float32]


def denoised(luma: Plane, alpha: Plane, strength: float = 1.0) -> Plane:
    """Luma with the noise of its sky shrunk by the factors measured at night, and stars left alone.

    A coefficient that stands out of its band's noise, judged by the median of absolute values over the sky, is a star,
    an aeroplane or an edge: it stays, and so does what lies under it in the coarser bands.

    Args:
        luma: float32 `[h, w]`, 0 to 1.
        alpha: how much each pixel is sky, float32 `[h, w]`; where it is 0 over a neighbourhood nothing changes.
        strength: 0 for no change to 1.

    Returns:
        float32 `[h, w]`.

    Source: factors measured on the published figures of Liba et al., "Sky Optimization" (arXiv 2006.10172); the
    pyramid is Burt and Adelson's.
    """
    changes, shapes = [], []
    kept: Plane | None = None
    for factor in KEPT:
        if min(luma.shape) < 4:
            break
        smaller = reduced(luma)
        band = luma - expanded(smaller, luma.shape)
        kept = _details(band, alpha, kept)
        # (factor - 1) (1 - kept) alpha band, in place.
        change = np.subtract(kept, 1)
        change *= np.float32((1 - factor) * strength)
        change *= alpha
        change *= band
        changes.append(change)
        shapes.append(luma.shape)
        if len(changes) == 1:
            original = luma
        luma, alpha, kept = smaller, reduced(alpha), _largest_of_four(kept)
    if not changes:
        return luma
    total = changes.pop()
    while changes:
        finer = changes.pop()
        finer += expanded(total, finer.shape)
        total = finer
    return original + total


def reduced(plane: Plane) -> Plane:
    """Every other pixel in both directions of a plane smoothed by binomial weights 1, 4, 6, 4, 1."""
    rows = _smoothed(np.pad(plane, ((2, 3), (0, 0)), "edge"), (plane.shape[0] + 1) // 2)
    columns = np.pad(rows, ((0, 0), (2, 3)), "edge")
    return _smoothed(columns.T, (plane.shape[1] + 1) // 2).T


def expanded(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """A plane in twice the size, `shape`: the same weights over the pixels that are there."""
    rows = _between(np.pad(plane, ((1, 1), (0, 0)), "edge"), shape[0])
    return _between(np.pad(rows, ((0, 0), (1, 1)), "edge").T, shape[1]).T


def _smoothed(padded: Plane, count: int) -> Plane:
    last = 2 * count
    result = padded[1 : last + 1 : 2] + padded[3 : last + 3 : 2]
    result *= np.float32(4 / 16)
    result += np.float32(6 / 16) * padded[2 : last + 2 : 2]
    result += np.float32(1 / 16) * (padded[0:last:2] + padded[4 : last + 4 : 2])
    return result


def _between(padded: Plane, size: int) -> Plane:
    result = np.empty((size, padded.shape[1]), np.float32)
    middle = padded[1:-1]
    even, odd = (size + 1) // 2, size // 2
    outer = padded[:even] + padded[2 : even + 2]
    outer *= np.float32(1 / 8)
    outer += np.float32(6 / 8) * middle[:even]
    result[0::2] = outer
    result[1::2] = np.float32(0.5) * (middle[:odd] + padded[2 : odd + 2])
    return result


def _details(band: Plane, alpha: Plane, above: Plane | None) -> Plane:
    """How much each coefficient is detail and not noise, 0 to 1."""
    step = max(1, int((band.size / SAMPLES) ** 0.5))
    size = np.abs(band)
    sky = size[::step, ::step][alpha[::step, ::step] > 0.5]
    noise = DEVIATIONS_PER_MEDIAN * float(np.median(sky)) if len(sky) else 0.0
    # A band without noise is all detail, and needs no shrinking.
    size *= np.float32(1 / max(DETAIL * noise, 1e-12))
    size -= 1
    np.clip(size, 0, 1, out=size)
    return size if above is None else np.maximum(size, above, out=size)


def _largest_of_four(plane: Plane) -> Plane:
    height, width = plane.shape
    padded = np.pad(plane, ((0, height % 2), (0, width % 2)), "edge")
    pairs = np.maximum(padded[0::2], padded[1::2])
    return np.maximum(pairs[:, 0::2], pairs[:, 1::2])
