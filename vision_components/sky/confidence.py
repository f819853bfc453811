"""How far a sky probability may be trusted: sure near 0 and 1, not at all in between."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError

LOW, HIGH, BIAS, FLOOR = 0.3, 0.5, 0.8, 0.01
Floats = NDArray[np.floating[Any]]


def confidence_of(
    probability: Floats, low: float = LOW, high: float = HIGH, bias: float = BIAS, floor: float = FLOOR
) -> Floats:
    """Confidence of a sky probability: 1 at 0 and 1, falling to `floor` between `low` and `high`.

    Args:
        probability: of sky, 0 to 1, of any shape; float32 or float64.
        low, high: ends of the range that says nothing; sky is rarer than not, so it lies below one half.
        bias: above 0 and below 1; 0.5 is a straight line, more lets confidence rise quickly outside that range.
        floor: smallest confidence, above 0, so that no weighted mean divides by nothing.

    Returns:
        Confidence, `floor` to 1, of the same shape and type.

    Raises:
        DataError: the constants are out of order or range.

    Source: Liba et al., "Sky Optimization", formulas 1 and 2 (arXiv 2006.10172).
    """
    if not (0 < low <= high < 1 and 0 < bias < 1 and 0 < floor <= 1):
        raise DataError(
            f"low {low}, high {high}, bias {bias}, floor {floor}; "
            "give 0 < low <= high < 1, 0 < bias < 1, 0 < floor <= 1"
        )
    # Between the two bounds both distances are negative; clipping makes them 0, of which the bias is 0.
    distance = np.maximum((low - probability) / low, (probability - high) / (1 - high))
    return np.maximum(biased(np.clip(distance, 0, 1), bias), floor).astype(probability.dtype, copy=False)


def biased(x: Floats, bias: float) -> Floats:
    """Schlick's bias curve from 0 to 1, through `bias` at one half: `x / ((1 / bias - 2) (1 - x) + 1)`."""
    return x / ((1 / bias - 2) * (1 - x) + 1)
