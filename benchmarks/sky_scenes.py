"""Drawn photos whose skies are known to a fraction of a pixel: trees, fences and roofs before skies of any hour.

Silhouettes are drawn several times as large as the photo and averaged, which gives soft edges; photo = alpha sky +
(1 - alpha) ground, plus a little noise. Textures have the spectrum of natural images: amplitude falls as 1 / frequency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from vision_components.sky.resampling import resized_plane

LARGER = 3
# Clouds are smoother than ground.
CLOUDS = 1.7
# A network's view: blur in its pixels, slope of its answer, and the share of sky at which it says one half.
BLUR, SURENESS, MIDDLE = 2.0, 9.0, 0.6
# Colours at the top and at the horizon, and of clouds, by hour.
SKIES = {
    "day": ((70, 120, 200), (180, 205, 235), (245, 245, 245)),
    "dusk": ((60, 70, 120), (230, 150, 100), (150, 100, 110)),
    "overcast": ((170, 175, 182), (215, 218, 222), (240, 240, 242)),
    "night": ((22, 28, 52), (84, 70, 60), (88, 80, 76)),
}
HOURS = tuple(SKIES)


@dataclass(frozen=True)
class Scene:
    """A drawn photo.

    Attributes:
        photo: uint8 `[h, w, 3]`.
        alpha: how much each pixel is sky, float32 `[h, w]`, 0 to 1.
        hour: one of `HOURS`.
    """

    photo: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    hour: str


def drawn_scene(seed: int, height: int, width: int, ground: NDArray[np.uint8] | None = None) -> Scene:
    """A scene of its own for every seed.

    Args:
        seed: of all chance; hours follow one another by it.
        height, width: in pixels, 32 or more.
        ground: colours of what is not sky, uint8 `[height, width, 3]`; drawn textures where None.
    """
    rng = np.random.default_rng(seed)
    hour = HOURS[seed % len(HOURS)]
    alpha = 1 - _silhouettes(rng, height, width)
    behind, before = _sky(rng, hour, height, width), ground
    if before is None:
        before = _ground(rng, hour, height, width)
    mixed = alpha[..., np.newaxis] * behind + (1 - alpha[..., np.newaxis]) * before
    mixed += rng.normal(0, 1.5, mixed.shape)
    return Scene(np.clip(np.rint(mixed), 0, 255).astype(np.uint8), alpha.astype(np.float32), hour)


def natural_texture(rng: np.random.Generator, height: int, width: int, fall: float = 1.0) -> NDArray[np.float64]:
    """Noise of mean 0 and deviation 1 whose amplitude falls as 1 / frequency^fall, `[height, width]`."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / frequency**fall
    spectrum[0, 0] = 0
    texture = np.fft.irfft2(spectrum, (height, width))
    return texture / texture.std()


def coarse_probability(alpha: NDArray[np.float32], side: int, seed: int) -> NDArray[np.float32]:
    """What a network of `side` pixels might say of a scene: blurred, surer than it may be, and off here and there.

    Twigs narrower than its pixels melt into something between sky and not, rather not, as people label trees; and the
    boundary wanders.

    Returns:
        float32 `[side, side]`.
    """
    rng = np.random.default_rng(seed)
    blurred = gaussian_filter(resized_plane(alpha, side, side), BLUR)
    wander = resized_plane(rng.normal(0, 0.1, (side // 16, side // 16)), side, side)
    return (1 / (1 + np.exp(-SURENESS * (blurred - MIDDLE + wander)))).astype(np.float32)


def _sky(rng: np.random.Generator, hour: str, height: int, width: int) -> NDArray[np.float64]:
    top, horizon, cloud = (np.array(colour, np.float64) for colour in SKIES[hour])
    share = np.linspace(0, 1, height)[:, np.newaxis, np.newaxis] ** rng.uniform(0.7, 1.5)
    sky = np.broadcast_to(top * (1 - share) + horizon * share, (height, width, 3))
    cover = 0.8 * np.clip(natural_texture(rng, height, width, CLOUDS) - rng.uniform(-0.5, 1), 0, 1)[..., np.newaxis]
    sky = sky * (1 - cover) + cloud * cover
    if hour == "night":
        rows, columns = (rng.integers(size, size=height * width // 4000) for size in (height, width))
        sky[rows, columns] += rng.uniform(40, 180, (len(rows), 1)) * (1 - cover[rows, columns])
    return sky


def _ground(rng: np.random.Generator, hour: str, height: int, width: int) -> NDArray[np.float64]:
    light = 0.35 if hour == "night" else 1.0
    colour = rng.uniform((40, 45, 25), (95, 85, 70)) * light
    texture = natural_texture(rng, height, width)[..., np.newaxis]
    tint = natural_texture(rng, height, width)[..., np.newaxis] * rng.uniform(-8, 8, 3)
    return np.clip(colour * (1 + 0.35 * texture) + tint * light, 0, 255)


def _silhouettes(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """How much of each pixel is covered, `[height, width]`, 0 to 1."""
    image = Image.new("L", (width * LARGER, height * LARGER))
    draw = ImageDraw.Draw(image)
    tall, broad = height * LARGER, width * LARGER
    horizon = rng.uniform(0.65, 0.85) * tall
    steps = np.linspace(0, broad, 40)
    hills = horizon + np.cumsum(rng.normal(0, tall * 0.006, 40))
    draw.polygon([(0, tall), *zip(steps.tolist(), hills.tolist(), strict=True), (broad, tall)], fill=255)
    for _ in range(rng.integers(1, 4)):
        _house(draw, rng, horizon, broad, tall)
    for _ in range(rng.integers(1, 4)):
        root = rng.uniform(0.05, 0.95) * broad, horizon + 0.03 * tall
        _branch(draw, rng, root, -math.pi / 2, rng.uniform(0.13, 0.2) * tall, 0.022 * tall, leafy=bool(rng.integers(2)))
    if rng.integers(2):
        _fence(draw, rng, horizon, broad, tall)
    for _ in range(rng.integers(0, 4)):
        ends = rng.uniform(0.15, 0.5, 2) * tall
        draw.line([(0, ends[0]), (broad, ends[1])], fill=255, width=max(1, round(tall * 0.002)))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float64) / 255


def _house(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: float, broad: int, tall: int) -> None:
    left, span, rise = rng.uniform(0, 0.8) * broad, rng.uniform(0.1, 0.25) * broad, rng.uniform(0.1, 0.3) * tall
    top = horizon - rise
    draw.rectangle((left, top, left + span, tall), fill=255)
    draw.polygon([(left, top), (left + span / 2, top - 0.08 * tall), (left + span, top)], fill=255)
    mast = left + span * 0.8
    draw.line([(mast, top), (mast, top - 0.15 * tall)], fill=255, width=max(1, round(tall * 0.003)))


def _fence(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: float, broad: int, tall: int) -> None:
    rise, gap = rng.uniform(0.05, 0.12) * tall, rng.uniform(0.012, 0.03) * broad
    for post in np.arange(0, broad, gap):
        draw.line([(post, horizon + 0.02 * tall), (post, horizon - rise)], fill=255, width=max(1, round(gap * 0.25)))
    for share in (0.3, 0.8):
        rail = horizon - rise * share
        draw.line([(0, rail), (broad, rail)], fill=255, width=max(1, round(gap * 0.2)))


def _branch(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    length: float,
    thickness: float,
    leafy: bool,
) -> None:
    end = start[0] + length * math.cos(angle), start[1] + length * math.sin(angle)
    draw.line([start, end], fill=255, width=max(1, round(thickness)))
    if thickness < 1.2 or length < 5:
        if leafy:
            radius = rng.uniform(2, 5)
            draw.ellipse((end[0] - radius, end[1] - radius, end[0] + radius, end[1] + radius), fill=255)
        return
    for _ in range(2 if rng.random() < 0.7 else 3):
        turned = angle + rng.normal(0, 0.45)
        _branch(draw, rng, end, turned, length * rng.uniform(0.68, 0.86), thickness * 0.66, leafy)
