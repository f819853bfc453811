"""How much more or less rate a codec needs for the same quality: the Bjontegaard delta."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from seriatim_errors import DataError

Fit = Literal["pchip", "cubic"]
FEWEST = {"pchip": 2, "cubic": 4}
Curve = Sequence[tuple[float, float]]


def bd_rate(reference: Curve, tested: Curve, fit: Fit = "pchip") -> float:
    """Per cent of rate that `tested` needs over `reference`, at the qualities that both reach; negative is better.

    The logarithm of the rate is fitted as a function of quality and averaged over the qualities in common (Bjontegaard,
    VCEG-M33, 2001; the piecewise fit as in JCTVC's reference sheets).

    Args:
        reference: points (bits per pixel above 0, quality in dB), in any order, each quality once.
        tested: the same.
        fit: `pchip` goes through the points of which there may be any number from 2; `cubic` fits one polynomial of
            degree 3 to 4 points or more.

    Raises:
        DataError: too few points, a rate that is not above 0, a quality that comes twice or is infinite, or no quality
            in common.
    """
    if fit not in FEWEST:
        raise DataError(f"fit {fit!r}; give pchip or cubic")
    first, second = (_points(curve, name, fit) for curve, name in ((reference, "reference"), (tested, "tested")))
    low, high = max(first[0, 1], second[0, 1]), min(first[-1, 1], second[-1, 1])
    if not low < high:
        raise DataError(
            f"qualities {first[0, 1]:.2f} to {first[-1, 1]:.2f} and {second[0, 1]:.2f} to {second[-1, 1]:.2f} dB have "
            "none in common; measure more rates"
        )
    difference = _integral(second, low, high, fit) - _integral(first, low, high, fit)
    return 100 * math.expm1(difference / (high - low))


def _points(curve: Curve, name: str, fit: Fit) -> NDArray[np.float64]:
    points = np.array(sorted(curve, key=lambda point: point[1]), np.float64).reshape(-1, 2)
    if len(points) < FEWEST[fit]:
        raise DataError(f"{name} has {len(points)} points; a {fit} fit needs {FEWEST[fit]} or more")
    if not (np.isfinite(points).all() and (points[:, 0] > 0).all() and (np.diff(points[:, 1]) > 0).all()):
        raise DataError(f"{name} points {points.tolist()}; give rates above 0 and finite qualities, each once")
    return points


def _integral(points: NDArray[np.float64], low: float, high: float, fit: Fit) -> float:
    rates, qualities = np.log(points[:, 0]), points[:, 1]
    if fit == "pchip":
        return float(PchipInterpolator(qualities, rates).integrate(low, high))
    whole = Polynomial.fit(qualities, rates, 3).integ()
    return float(whole(high) - whole(low))
