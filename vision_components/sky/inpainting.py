"""Complete masks from partial ones: unlabelled pixels by the density of the sky's colours, edges by the filter."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from seriatim_errors import DataError
from vision_components.sky.colours import planes_of, yuv_of
from vision_components.sky.confidence import FLOOR, confidence_of
from vision_components.sky.guided_filter import guided_filter

SKY, GROUND, UNLABELLED = 255, 0, 128
SAMPLES, BANDWIDTH, MIN_DENSITY = 1024, 0.01, 0.6
BATCH = 4096


def inpainted(
    photo: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    samples: int = SAMPLES,
    bandwidth: float = BANDWIDTH,
    min_density: float = MIN_DENSITY,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Labels without gaps: an unlabelled pixel is sky where the density of the sky's colours at its colour is high.

    The density is the mean of Gaussians around the colours of some sky pixels of the same photo; where the photo has
    none, what is unlabelled is not sky.

    Args:
        photo: `[h, w, 3]`.
        labels: `[h, w]`: 255 sky, 0 not sky, 128 unlabelled.
        samples: sky pixels that are looked at, at most.
        bandwidth: standard deviation of the Gaussians, for colours of 0 to 1.
        min_density: a higher one is sky.
        seed: of the choice of pixels.

    Returns:
        `[h, w]` of 255 and 0; what was labelled stays as it is.

    Raises:
        DataError: shapes do not fit or a label is none of the three.

    Source: density estimation after Liba et al., "Sky Optimization" (arXiv 2006.10172); the constants are ours.
    """
    _check(photo, labels)
    filled = labels.copy()
    unlabelled = labels == UNLABELLED
    filled[unlabelled] = GROUND
    sky = photo[labels == SKY].astype(np.float64) / 255
    if not len(sky) or not unlabelled.any():
        return filled
    if len(sky) > samples:
        sky = sky[np.random.default_rng(seed).choice(len(sky), samples, replace=False)]
    colours = photo[unlabelled].astype(np.float64) / 255
    logs = np.concatenate(
        [log_density(colours[at : at + BATCH], sky, bandwidth) for at in range(0, len(colours), BATCH)]
    )
    filled[unlabelled] = np.where(logs > math.log(min_density), SKY, GROUND)
    return filled


def log_density(
    colours: NDArray[np.float64], samples: NDArray[np.float64], bandwidth: float = BANDWIDTH
) -> NDArray[np.float64]:
    """Logarithm of the mean of Gaussians around `samples` `[m, 3]` at `colours` `[n, 3]`: `[n]`."""
    squares = (colours**2).sum(axis=1)[:, np.newaxis] + (samples**2).sum(axis=1) - 2 * colours @ samples.T
    peak = -1.5 * math.log(2 * math.pi) - 3 * math.log(bandwidth) - math.log(len(samples))
    return peak + logsumexp(-np.maximum(squares, 0) / (2 * bandwidth**2), axis=1)


def refined(photo: NDArray[np.uint8], labels: NDArray[np.uint8], *, cell: int, seed: int = 0) -> NDArray[np.float32]:
    """A soft mask from partial labels: inpainted, then filtered with the photo as guide.

    What was guessed is trusted as little as a probability of one half.

    Args:
        photo: `[h, w, 3]`.
        labels: `[h, w]`: 255 sky, 0 not sky, 128 unlabelled.
        cell: of the filter, in pixels.
        seed: of the choice of pixels.

    Returns:
        `[h, w]`, 0 to 1.

    Raises:
        DataError: shapes do not fit or a label is none of the three.
    """
    mask = (inpainted(photo, labels, seed=seed) == SKY).astype(np.float32)
    confidence = np.where(labels == UNLABELLED, np.float32(FLOOR), confidence_of(mask))
    return guided_filter(yuv_of(planes_of(photo)), mask, confidence, cell=cell)


def _check(photo: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or labels.shape != photo.shape[:2]:
        raise DataError(f"photo {photo.dtype} {photo.shape}, labels {labels.shape}; give uint8 [h, w, 3] and [h, w]")
    wrong = set(np.unique(labels).tolist()) - {SKY, GROUND, UNLABELLED}
    if wrong:
        raise DataError(f"labels hold {sorted(wrong)[:5]}; give 255 for sky, 0 for not sky, 128 for unlabelled")
