"""JPEG and WebP, as Pillow writes them, beside a trained codec."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RIVALS = {"JPEG": "JPEG", "WebP": "WEBP"}
QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90)


def rival_files(name: str, picture: NDArray[np.uint8]) -> Iterator[tuple[int, bytes]]:
    """Quality and file for every quality; JPEG with optimised Huffman tables and colours at half the resolution."""
    for quality in QUALITIES:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, RIVALS[name], quality=quality, **_settings(name))
        yield quality, file.getvalue()


def opened(content: bytes) -> NDArray[np.uint8]:
    """The picture of a file."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def _settings(name: str) -> dict[str, object]:
    return {"optimize": True, "subsampling": "4:2:0"} if name == "JPEG" else {"method": 6}
