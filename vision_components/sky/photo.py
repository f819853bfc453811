"""From a photo to a better one: where the sky is, how surely, and what is done to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.sky.colours import planes_of, yuv_of
from vision_components.sky.confidence import confidence_of
from vision_components.sky.effects.improving import EffectSettings, with_effects
from vision_components.sky.guided_filter import CELL, EPSILON, guided_filter
from vision_components.sky.network import SkyNetwork
from vision_components.sky.resampling import resized_pixels, resized_plane

# The filter's cells are meant for a photo whose longer side has so many pixels.
FILTER_SIDE = 1024
SMALLEST_CELL = 4
# A filtered mask is seldom 0 or 1 exactly; what is so near to either counts as it, so that ground stays untouched.
MARGIN = 0.02


@dataclass(frozen=True)
class SkySettings:
    """How a sky is found and improved.

    Attributes:
        min_probability: what the network calls sky, 0 to 1.
        min_sky: a photo of which the network calls a smaller share sky stays as it is, 0 to 1.
        filter_pixels: the mask is refined on at most this many pixels, and enlarged from there.
        cell: of the filter, for a photo of 1,024 pixels a side; in proportion for smaller ones.
        epsilon: of the filter, for luma and for chroma.
        effects: strengths of what is done to the sky.
    """

    min_probability: float = 0.5
    min_sky: float = 0.005
    filter_pixels: int = 1 << 20
    cell: int = CELL
    epsilon: tuple[float, float] = (EPSILON, EPSILON)
    effects: EffectSettings = field(default_factory=EffectSettings)

    def __post_init__(self) -> None:
        for name in ("min_sky", "min_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} {getattr(self, name)}; give 0 to 1")
        for name in ("filter_pixels", "cell"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} {getattr(self, name)}; give 1 or more")


@dataclass(frozen=True)
class Improved:
    """A photo after the chain.

    Attributes:
        photo: uint8 `[h, w, 3]`; the very array that was given where nothing changed.
        mask: uint8 `[h, w]`, how much each pixel is sky, 0 to 255; all 0 where no sky was found.
        sky_share: mean of the mask, 0 to 1.
        changed: whether there was a sky to improve.
    """

    photo: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    sky_share: float
    changed: bool


def improve(photo: NDArray[np.uint8], network: SkyNetwork, settings: SkySettings | None = None) -> Improved:
    """A photo with a better sky; without a sky it stays as it is, bit for bit.

    Args:
        photo: uint8 `[h, w, 3]`, upright.
        network: finds the sky.
        settings: thresholds, filter and effects.

    Raises:
        DataError: the photo is of another type or shape.

    Source: the chain of Liba et al., "Sky Optimization" (arXiv 2006.10172).
    """
    settings = settings or SkySettings()
    mask = sky_mask(photo, network, settings)
    share = float(mask.mean(dtype=np.float64)) / 255
    if not share:
        return Improved(photo, mask, 0.0, False)
    return Improved(with_effects(photo, mask, settings.effects), mask, share, True)


def sky_mask(photo: NDArray[np.uint8], network: SkyNetwork, settings: SkySettings | None = None) -> NDArray[np.uint8]:
    """How much each pixel of a photo is sky, uint8 `[h, w]`; all 0 where the network sees too little.

    Args:
        photo: uint8 `[h, w, 3]`.
        network: finds the sky in the photo at its own size.
        settings: thresholds and filter.

    Raises:
        DataError: the photo is of another type or shape.
    """
    settings = settings or SkySettings()
    probability = sky_probability(photo, network)
    height, width = photo.shape[:2]
    called = float((probability >= settings.min_probability).mean())
    if not called or called < settings.min_sky:
        return np.zeros((height, width), np.uint8)
    soft = refined_probability(photo, probability, settings)
    soft -= np.float32(MARGIN)
    soft *= np.float32(255 / (1 - 2 * MARGIN))
    soft += np.float32(0.5)
    np.clip(soft, 0, 255, out=soft)
    return resized_pixels(soft.astype(np.uint8), height, width)


def sky_probability(photo: NDArray[np.uint8], network: SkyNetwork) -> NDArray[np.float32]:
    """What the network says of a photo reduced to its size, float32 `[side, side]`.

    Raises:
        DataError: the photo is of another type or shape.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise DataError(f"photo is {photo.dtype} {photo.shape}; give uint8 [height, width, 3]")
    return network.probabilities(resized_pixels(photo, network.side, network.side)[np.newaxis])[0]


def refined_probability(
    photo: NDArray[np.uint8], probability: NDArray[np.float32], settings: SkySettings
) -> NDArray[np.float32]:
    """A coarse probability made to follow a photo's edges, float32, on at most `filter_pixels` pixels.

    Args:
        photo: uint8 `[h, w, 3]`.
        probability: float32, of any size; confidence is taken from it before it is enlarged.
        settings: of the filter.
    """
    height, width = filter_size(photo.shape[:2], settings.filter_pixels)
    guide = yuv_of(planes_of(resized_pixels(photo, height, width)))
    luma, chroma = settings.epsilon
    return guided_filter(
        guide,
        resized_plane(probability, height, width),
        resized_plane(confidence_of(probability), height, width),
        cell=cell_for((height, width), settings.cell),
        epsilon=(luma, chroma, chroma),
    )


def filter_size(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """Height and width of at most `most` pixels, in the proportions of `shape`."""
    height, width = shape
    scale = min(1.0, (most / (height * width)) ** 0.5)
    return max(1, int(height * scale)), max(1, int(width * scale))


def cell_for(shape: tuple[int, ...], cell: int) -> int:
    """The filter's cell for a photo of this height and width: in proportion to the longer side, at most `cell`."""
    return min(cell, max(SMALLEST_CELL, round(cell * max(shape) / FILTER_SIDE)))
