"""What a sky says about a photo, as numbers for a ranker."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from vision_components.sky.colours import luma_of, planes_of
from vision_components.sky.confidence import confidence_of
from vision_components.sky.network import SkyNetwork
from vision_components.sky.photo import sky_probability
from vision_components.sky.resampling import resized_pixels


@dataclass(frozen=True)
class SkyFeatures:
    """Three numbers of a photo, each 0 to 1.

    Attributes:
        sky_share: mean probability of sky.
        sky_confidence: mean confidence of that probability.
        darkness: 1 minus the mean luma of the whole photo.
    """

    sky_share: float
    sky_confidence: float
    darkness: float

    def as_row(self) -> dict[str, float]:
        """The numbers by name, in a fixed order."""
        return asdict(self)


def sky_features(photo: NDArray[np.uint8], network: SkyNetwork) -> SkyFeatures:
    """Features of a photo uint8 `[h, w, 3]`, from the network's answer at its own size; no filter, no effect.

    Raises:
        DataError: the photo is of another type or shape.
    """
    probability = sky_probability(photo, network)
    small = resized_pixels(photo, network.side, network.side)
    luma = luma_of(planes_of(small))
    return SkyFeatures(
        float(probability.mean(dtype=np.float64)),
        float(confidence_of(probability).mean(dtype=np.float64)),
        float(np.clip(1 - luma.mean(dtype=np.float64), 0, 1)),
    )
