"""How near a sky mask is to the truth.

All take masks of one shape, 0 to 1, and `where`, the pixels that count; without it all do. Pixels above one half are
sky wherever a measure needs a decision.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from seriatim_errors import DataError

Mask = NDArray[np.floating[Any]]
Where = NDArray[np.bool_] | None
BAND = 4


def intersection_over_union(mask: Mask, truth: Mask, where: Where = None) -> float:
    """Sky pixels of both over those of either; 1 where neither has any. Symmetric."""
    mask, truth = _chosen(mask, truth, where)
    either = int(((mask > 0.5) | (truth > 0.5)).sum())
    return int(((mask > 0.5) & (truth > 0.5)).sum()) / either if either else 1.0


def misclassification(mask: Mask, truth: Mask, where: Where = None) -> float:
    """Share of pixels on the wrong side of one half. Symmetric."""
    mask, truth = _chosen(mask, truth, where)
    return float(((mask > 0.5) != (truth > 0.5)).mean())


def root_mean_squared_error(mask: Mask, truth: Mask, where: Where = None) -> float:
    """Root of the mean squared difference. Symmetric."""
    mask, truth = _chosen(mask, truth, where)
    return float(np.sqrt(np.mean((mask - truth) ** 2)))


def mean_absolute_error(mask: Mask, truth: Mask, where: Where = None) -> float:
    """Mean absolute difference. Symmetric."""
    mask, truth = _chosen(mask, truth, where)
    return float(np.abs(mask - truth).mean())


def jensen_shannon_divergence(mask: Mask, truth: Mask, where: Where = None) -> float:
    """Mean over pixels of the divergence between the two probabilities of sky, in bits, 0 to 1. Symmetric."""
    mask, truth = _chosen(mask, truth, where)
    middle = (mask + truth) / 2
    return float(np.mean(_entropy(middle) - (_entropy(mask) + _entropy(truth)) / 2))


def boundary_loss(mask: Mask, truth: Mask, where: Where = None) -> float:
    """Mean over pixels of the difference times the distance to the truth's boundary, in image diagonals.

    Mistakes far from the boundary weigh more than those beside it. 0 for equal masks; not symmetric. Where the truth
    has no boundary, every distance counts as one diagonal.

    Source: Kervadec et al., "Boundary loss for highly unbalanced segmentation", equation 2 (arXiv 1812.07032).
    """
    _check(mask, truth, where)
    diagonal = math.hypot(*truth.shape)
    distance = boundary_distance(truth) / diagonal
    mask, truth, distance = (plane[where] if where is not None else plane.ravel() for plane in (mask, truth, distance))
    return float(np.mean(np.abs(mask.astype(np.float64) - truth) * np.minimum(distance, 1)))


def boundary_band_error(mask: Mask, truth: Mask, where: Where = None, band: int = BAND) -> float:
    """Mean absolute difference within `band` pixels of the truth's boundary; not a number where it has none."""
    _check(mask, truth, where)
    near = boundary_distance(truth) <= band
    chosen = near if where is None else near & where
    return mean_absolute_error(mask, truth, chosen) if chosen.any() else float("nan")


def boundary_distance(truth: Mask) -> NDArray[np.float64]:
    """Distance in pixels of each pixel to the nearest of the other side; infinite where there is one side only."""
    sky = truth > 0.5
    if sky.all() or not sky.any():
        return np.full(truth.shape, np.inf)
    return np.where(sky, distance_transform_edt(sky), distance_transform_edt(~sky))


def _entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = np.clip(probability, 1e-300, None), np.clip(1 - probability, 1e-300, None)
    return -(probability * np.log2(inner[0]) + (1 - probability) * np.log2(inner[1]))


def _chosen(mask: Mask, truth: Mask, where: Where) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _check(mask, truth, where)
    if where is not None:
        mask, truth = mask[where], truth[where]
    return mask.astype(np.float64), truth.astype(np.float64)


def _check(mask: Mask, truth: Mask, where: Where) -> None:
    if mask.shape != truth.shape or (where is not None and where.shape != truth.shape):
        shapes = mask.shape, truth.shape, None if where is None else where.shape
        raise DataError(f"mask, truth and where have the shapes {shapes}; give one shape")
    if not (truth.size if where is None else where.any()):
        raise DataError("no pixel counts; give masks with one or more")
