"""`python -m benchmarks.sky_picture`: the picture in docs/sky.md, from two drawn scenes.

From left to right: the photo, the coarse answer of a network (imitated), the mask that the filter makes of it, the
improved photo.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.sky_scenes import coarse_probability, drawn_scene
from vision_components.sky import SkyNetwork, improve

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "sky.jpg"
SEEDS, HEIGHT, WIDTH, SHOWN = (1, 11), 480, 640, (240, 320)


def main() -> None:
    rows = [_row(seed) for seed in SEEDS]
    picture = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for place, row in enumerate(rows):
        picture.paste(row, (0, place * row.height))
    picture.save(PICTURE, quality=88)


def _row(seed: int) -> Image.Image:
    scene = drawn_scene(seed, HEIGHT, WIDTH)
    coarse = coarse_probability(scene.alpha, 128, seed)
    improved = improve(scene.photo, SkyNetwork(128, lambda photos: coarse[np.newaxis], "imitated"))
    levels = np.rint(coarse * 255).astype(np.uint8)
    row = Image.new("RGB", (4 * SHOWN[1], SHOWN[0]))
    for place, pixels in enumerate((scene.photo, levels, improved.mask, improved.photo)):
        part = Image.fromarray(pixels).convert("RGB").resize((SHOWN[1], SHOWN[0]), Image.Resampling.BICUBIC)
        row.paste(part, (place * SHOWN[1], 0))
    return row


if __name__ == "__main__":
    main()
