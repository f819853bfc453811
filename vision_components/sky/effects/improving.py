"""The four effects in their order, laid over a photo by its mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.sky.colours import luma_of, planes_of
from vision_components.sky.effects.contrast import contrasted
from vision_components.sky.effects.darkening import darkened, night_share, tone_strength
from vision_components.sky.effects.denoise import denoised
from vision_components.sky.effects.white_balance import cooling_gains, grey_world_gains, shown_gains

LEVELS = 4096
SAMPLES = 1 << 16
# Large photos are worked on strip by strip: it takes less memory, and what the processor keeps at hand suffices. Strips
# begin at multiples of the coarsest band's 64 pixels, and their margins are wider than a band reaches.
STRIP_PIXELS, STRIP_STEP, MARGIN = 1 << 22, 64, 192


@dataclass(frozen=True)
class EffectSettings:
    """Strengths of the effects, each 0 for none to 1, and a bound.

    Attributes:
        denoise: of the shrinking of noise.
        darkening, contrast: of the tone curves; bright scenes get less of both.
        white_balance: of taking a warm cast off the sky.
        ground_balance: of a grey-world white balance of everything else. Above 0 no pixel is sure to stay as it is.
        max_change: levels of 255 by which a pixel's channel may change at most.
    """

    denoise: float = 1.0
    darkening: float = 1.0
    contrast: float = 1.0
    white_balance: float = 1.0
    ground_balance: float = 0.0
    max_change: int = 48

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), 255 if field.name == "max_change" else 1
            if not 0 <= value <= most:
                raise DataError(f"{field.name} {value}; give 0 to {most}")


@dataclass(frozen=True)
class SkyTones:
    """What the effects need to know of a photo.

    Attributes:
        strength: of the tone curves for this scene, 0 to 1.
        bright: luma below which 90 % of the sky lie.
        sky, ground: white-balance gains in linear light, `[3]`.
    """

    strength: float
    bright: float
    sky: NDArray[np.float64]
    ground: NDArray[np.float64]


def with_effects(
    photo: NDArray[np.uint8], mask: NDArray[np.uint8], settings: EffectSettings | None = None
) -> NDArray[np.uint8]:
    """A photo with a better sky: denoised, then darker and richer in contrast, then of cooler white.

    Args:
        photo: `[h, w, 3]`.
        mask: how much each pixel is sky, `[h, w]`, 0 to 255.
        settings: strengths; all of them full where None.

    Returns:
        `[h, w, 3]`. Without `ground_balance`, pixels of mask 0 are those of `photo`, bit for bit.

    Raises:
        DataError: photo and mask do not fit each other.
    """
    settings = settings or EffectSettings()
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or mask.shape != photo.shape[:2]:
        raise DataError(f"photo {photo.dtype} {photo.shape}, mask {mask.shape}; give uint8 [h, w, 3] and [h, w]")
    result = photo.copy()
    tones = sky_tones(photo, mask, settings)
    area = (slice(0, len(photo)), slice(0, photo.shape[1])) if settings.ground_balance else _bounds(mask)
    if area is not None:
        rows, columns = area
        for inner, outer in _strips(rows, columns.stop - columns.start):
            improved = _improved(photo[outer, columns], mask[outer, columns], tones, settings)
            result[inner, columns] = improved[inner.start - outer.start : inner.stop - outer.start]
    return result


def sky_tones(photo: NDArray[np.uint8], mask: NDArray[np.uint8], settings: EffectSettings) -> SkyTones:
    """Brightness and white of a photo's sky and ground, from some of its pixels."""
    step = max(1, int((mask.size / SAMPLES) ** 0.5))
    planes = planes_of(photo[::step, ::step])
    alpha = mask[::step, ::step].astype(np.float32) / 255
    sky_luma = luma_of(planes)[alpha > 0.5]
    median, bright = np.quantile(sky_luma, (0.5, 0.9)) if len(sky_luma) else (0.0, 0.0)
    night = night_share(float(median))
    # By night a warm sky is lit by a city; at dusk it is to stay warm.
    sky = cooling_gains(grey_world_gains(planes, alpha), settings.white_balance * night)
    ground = grey_world_gains(planes, 1 - alpha) ** settings.ground_balance
    return SkyTones(tone_strength(night), float(bright), sky, ground)


def tone_curve(luma: NDArray[np.float32], tones: SkyTones, settings: EffectSettings) -> NDArray[np.float32]:
    """Darkening, then contrast, of luma of any shape; monotone, within 0 and 1."""
    darkening = settings.darkening * tones.strength
    darker = darkened(luma, darkening)
    bright = float(darkened(np.array(tones.bright), darkening))
    return contrasted(darker, bright, settings.contrast * tones.strength)


def _improved(
    photo: NDArray[np.uint8], mask: NDArray[np.uint8], tones: SkyTones, settings: EffectSettings
) -> NDArray[np.uint8]:
    planes = planes_of(photo)
    alpha = mask.astype(np.float32)
    alpha *= np.float32(1 / 255)
    luma = luma_of(planes)
    clean = denoised(luma, alpha, settings.denoise)
    gain = _tone_gains(tones, settings)[_places(clean)]
    # What denoising changes is grey: the same is added to every channel.
    clean -= luma
    ground, sky = shown_gains(tones.ground), shown_gains(tones.sky)
    most = np.float32(settings.max_change / 255)
    result = np.empty_like(photo)
    for place, plane in enumerate(planes):
        effect = plane + clean
        effect *= gain
        effect *= np.float32(sky[place])
        base = plane if ground[place] == 1 else plane * np.float32(ground[place])
        effect -= base
        effect *= alpha
        if base is not plane:
            effect += base - plane
        np.clip(effect, -most, most, out=effect)
        effect += plane
        effect *= 255
        effect += np.float32(0.5)
        np.clip(effect, 0, 255, out=effect)
        result[..., place] = effect
    return result


def _tone_gains(tones: SkyTones, settings: EffectSettings) -> NDArray[np.float32]:
    """The tone curve over luma, as a table over luma's levels."""
    luma = np.arange(1, LEVELS, dtype=np.float32) / np.float32(LEVELS - 1)
    gains = tone_curve(luma, tones, settings) / luma
    return np.concatenate([gains[:1], gains])


def _places(luma: NDArray[np.float32]) -> NDArray[np.uint16]:
    scaled = luma * np.float32(LEVELS - 1)
    scaled += np.float32(0.5)
    return np.clip(scaled, 0, LEVELS - 1, out=scaled).astype(np.uint16)


def _strips(rows: slice, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows of each strip, and the same with margins."""
    height = STRIP_STEP * max(1, STRIP_PIXELS // (width * STRIP_STEP))
    for start in range(rows.start, rows.stop, height):
        stop = min(start + height, rows.stop)
        yield slice(start, stop), slice(max(start - MARGIN, rows.start), min(stop + MARGIN, rows.stop))


def _bounds(mask: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """The smallest rows and columns that hold all sky."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
