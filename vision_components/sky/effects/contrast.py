"""More contrast in a sky: its brightest tenth is lifted, the rest stays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_components.sky.effects.darkening import smoothstep

MOST_GAIN, FULL_FROM = 0.11, 1.6
Floats = NDArray[np.floating[Any]]


def contrasted(luma: Floats, bright: float, strength: float = 1.0) -> Floats:
    """Luma times a gain that rises from 1 at `bright` to 1.11 at 1.6 times that; at most 1.

    Args:
        luma: 0 to 1, of any shape.
        bright: the sky's luma below which 90 % of its pixels lie, 0 to 1.
        strength: 0 for no change to 1.

    Source: fitted to the published figures of Liba et al., "Sky Optimization" (arXiv 2006.10172).
    """
    gain = 1 + MOST_GAIN * strength * smoothstep(bright, FULL_FROM * bright, luma)
    return np.minimum(luma * gain, 1).astype(luma.dtype, copy=False)
