"""A darker sky: a power of its luma, weaker in brighter scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPONENT = 1.32
DARK, BRIGHT, LEAST = 0.25, 0.6, 0.4
Floats = NDArray[np.floating[Any]]


def darkened(luma: Floats, strength: float = 1.0) -> Floats:
    """Luma to the power of `1 + 0.32 strength`: 0 and 1 stay, all between grows darker, order is kept.

    Args:
        luma: 0 to 1, of any shape.
        strength: 0 for no change to 1.

    Source: fitted to the published figures of Liba et al., "Sky Optimization" (arXiv 2006.10172).
    """
    return luma ** (1 + (EXPONENT - 1) * strength)


def scene_strength(sky_luma: float) -> float:
    """How strong the tones of a sky are changed, by its median luma: 1 for a night, 0.4 for a bright day.

    It falls smoothly between a median of 0.25 and of 0.6. This is our choice: a night sky is to look like night, a
    bright one is to gain a little depth without looking like a storm.
    """
    return 1 - (1 - LEAST) * float(smoothstep(DARK, BRIGHT, np.float64(sky_luma)))


def smoothstep(low: float, high: float, x: Any) -> Any:
    """0 up to `low`, 1 from `high` on, and a cubic without a kink between them."""
    share = np.clip((x - low) / max(high - low, 1e-12), 0, 1)
    return share * share * (3 - 2 * share)
