"""A guided filter whose mask says for every pixel how far it is to be trusted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.sky.resampling import antialiased_means, smooth_upsampling

CELL, EPSILON = 64, 0.01
# The upper triangle of a symmetric 3 x 3 matrix, row by row.
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
Plane = NDArray[np.floating[Any]]


def guided_filter(
    guide: Plane,
    mask: Plane,
    confidence: Plane | None = None,
    *,
    cell: int = CELL,
    epsilon: float | tuple[float, float, float] = EPSILON,
) -> Plane:
    """A mask with the edges of a photo: in every cell the affine function of the colours that fits the mask best.

    The fit weighs each pixel by its confidence and by its nearness to the cell's centre. Its coefficients are found for
    cells of about `cell` x `cell` pixels and upsampled smoothly; there is no second average over windows, as He and Sun
    (arXiv 1505.00996) have it. Where `cell` exceeds the photo, one function serves all of it.

    Args:
        guide: planes of the photo, `[3, h, w]`, float32 or float64; the result is computed in its type.
        mask: what to fit, `[h, w]`, 0 to 1.
        confidence: weights `[h, w]`, 0 or more, some of them in every cell above 0; None for equal weights.
        cell: longest side of a cell in pixels, 1 or more.
        epsilon: regulariser in units of the guide, above 0, for all planes or for each; its square is added to the
            variances.

    Returns:
        The filtered mask `[h, w]`, clipped to 0 and 1.

    Raises:
        DataError: shapes do not fit, a value is not finite or out of range, or a cell has no confidence at all.

    Source: Liba et al., "Sky Optimization", modified guided filter (arXiv 2006.10172).
    """
    weights = np.ones_like(mask) if confidence is None else confidence
    epsilons = np.broadcast_to(np.asarray(epsilon, np.float64), (3,))
    _check(guide, mask, weights, cell, epsilons)
    dtype = guide.dtype
    mask, weights = mask.astype(dtype, copy=False), weights.astype(dtype, copy=False)
    height, width = mask.shape
    cells = math.ceil(height / cell), math.ceil(width / cell)
    down, across = (antialiased_means(size, count, dtype) for size, count in zip((height, width), cells, strict=True))
    # Variances are small differences of squares; without the photo's mean less is lost to rounding.
    centred = guide - guide.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(dtype)

    total = down @ weights @ across.T
    if not (total > 0).all():
        raise DataError("confidence is 0 throughout a cell; give every pixel 0.01 or so, as confidence_of does")
    weighted = centred * weights

    def mean(plane: Plane) -> Plane:
        return (down @ plane @ across.T) / total

    means = [mean(plane) for plane in weighted]
    level = mean(mask * weights)
    spread = {(j, k): mean(weighted[j] * centred[k]) - means[j] * means[k] for j, k in PAIRS}
    for place in range(3):
        spread[place, place] += dtype.type(epsilons[place] ** 2)
    together = [mean(weighted[place] * mask) - means[place] * level for place in range(3)]
    slopes = solve_symmetric(spread, together)
    offset = level - sum(slope * middle for slope, middle in zip(slopes, means, strict=True))

    up, along = (smooth_upsampling(count, size, dtype) for size, count in zip((height, width), cells, strict=True))
    filtered = up @ offset @ along.T
    for slope, plane in zip(slopes, centred, strict=True):
        filtered += (up @ slope @ along.T) * plane
    return np.clip(filtered, 0, 1, out=filtered)


def solve_symmetric(matrix: dict[tuple[int, int], Plane], right: list[Plane]) -> list[Plane]:
    """Solve symmetric positive definite 3 x 3 systems, one for every place of the planes, by their LDL^T form.

    Args:
        matrix: the upper triangles, planes by (row, column).
        right: the three right-hand sides, planes.

    Returns:
        The three unknowns, planes.
    """
    first = matrix[0, 0]
    l21, l31 = matrix[0, 1] / first, matrix[0, 2] / first
    second = matrix[1, 1] - l21 * matrix[0, 1]
    l32 = (matrix[1, 2] - l31 * matrix[0, 1]) / second
    third = matrix[2, 2] - l31 * matrix[0, 2] - l32 * l32 * second
    # Forward through L, then the diagonal, then back through its transpose.
    y1 = right[0]
    y2 = right[1] - l21 * y1
    y3 = right[2] - l31 * y1 - l32 * y2
    x3 = y3 / third
    x2 = y2 / second - l32 * x3
    x1 = y1 / first - l21 * x2 - l31 * x3
    return [x1, x2, x3]


def _check(guide: Plane, mask: Plane, weights: Plane, cell: int, epsilons: NDArray[np.float64]) -> None:
    if guide.dtype not in (np.float32, np.float64):
        raise DataError(f"guide is {guide.dtype}; give float32 or float64, of 0 to 1")
    if guide.ndim != 3 or guide.shape[0] != 3 or mask.shape != guide.shape[1:] or weights.shape != mask.shape:
        raise DataError(
            f"guide {guide.shape}, mask {mask.shape}, confidence {weights.shape}; give [3, h, w], [h, w] and [h, w]"
        )
    if not mask.size:
        raise DataError(f"mask {mask.shape} has no pixel; give one or more")
    if cell < 1:
        raise DataError(f"cell {cell}; give 1 or more")
    if not (np.isfinite(epsilons).all() and (epsilons > 0).all()):
        raise DataError(f"epsilon {epsilons.tolist()}; give numbers above 0")
    for name, plane in (("guide", guide), ("mask", mask), ("confidence", weights)):
        # One pass: a sum is not finite where a value is not.
        if not np.isfinite(plane.sum(dtype=np.float64)):
            raise DataError(f"{name} has values that are not finite; mend them")
    if weights.min() < 0:
        raise DataError(f"confidence has a value of {weights.min()}; give 0 or more")
