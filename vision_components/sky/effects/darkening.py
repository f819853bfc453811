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


def night_share(sky_luma: float) -> float:
    """How much a sky of this median luma is a night sky: 1 up to 0.25, falling smoothly to 0 at 0.6; our choice."""
    return 1 - float(smoothstep(DARK, BRIGHT, np.float64(sky_luma)))


def tone_strength(night: float) -> float:
    """How strongly tones are changed: 1 for a night, 0.4 for a bright day.

    This is our choice: a night sky is to look like night, a bright one is to gain a little depth without looking like a
    storm.
    """
    return LEAST + (1 - LEAST) * night


def smoothstep(low: float, high: float, x: Any) -> Any:
    """0 up to `low`, 1 from `high` on, and a cubic without a kink between them."""
    share = np.clip((x - low) / max(high - low, 1e-12), 0, 1)
    return share * share * (3 - 2 * share)
