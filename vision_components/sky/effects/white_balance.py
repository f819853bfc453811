"""White balance of sky and ground apart: light over a city is warm, and warms the sky too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_components.sky.colours import LUMA

GAMMA = 2.2
# The largest gain of a channel in linear light, and one over the smallest.
MOST_GAIN = 1.25
Floats = NDArray[np.floating[Any]]


def grey_world_gains(planes: Floats, weights: Floats) -> NDArray[np.float64]:
    """Gains of red, green and blue in linear light that make the weighted mean grey and keep its luma.

    Args:
        planes: RGB `[3, ...]`, 0 to 1, as shown on a display.
        weights: of the pixels, 0 or more.

    Returns:
        `[3]`, each within 0.8 and 1.25; ones where the weighted pixels are black or there are none.
    """
    linear = planes.astype(np.float64) ** GAMMA
    total = float(weights.sum(dtype=np.float64))
    if total <= 0:
        return np.ones(3)
    means = (linear * weights).reshape(3, -1).sum(axis=1) / total
    if means.min() <= 1e-9:
        return np.ones(3)
    return np.clip((np.array(LUMA) @ means) / means, 1 / MOST_GAIN, MOST_GAIN)


def cooling_gains(gains: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """The part of a sky's gains that takes away a warm cast, for a strength of 0 to 1.

    A sky is blue by nature: gains that would take its blue away are left out. This stands in for a learned white
    balance.
    """
    if gains[2] <= gains[0]:
        return np.ones(3)
    return gains**strength


def shown_gains(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains of displayed values that equal `gains` in linear light, under a display's power of 2.2."""
    return gains ** (1 / GAMMA)
