"""Photos from files and back, upright, with what their files say besides."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from seriatim_errors import DataError

MAX_MEGAPIXELS = 50
SHORTEST_SIDE = 16
MODES = ("RGB", "L", "P", "1")
KINDS = ("JPEG", "PNG", "WEBP")
JPEG_QUALITY = 95
# Phones put a small or a second view behind the photo in one JPEG file; the first is the photo.
SEVERAL_JPEGS = "MPO"


@dataclass(frozen=True)
class PhotoFile:
    """A photo as read.

    Attributes:
        pixels: uint8 `[h, w, 3]`, turned as its file says.
        kind: `JPEG`, `PNG` or `WEBP`.
        kept: colour profile and camera data, as Pillow takes them when it writes.
    """

    pixels: NDArray[np.uint8]
    kind: str
    kept: dict[str, Any]


def read_photo(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> PhotoFile:
    """Read a JPEG, PNG or WebP photo, turned upright by its EXIF orientation; grey ones become RGB.

    Raises:
        DataError: the file is absent, no whole image of these kinds, an animation, transparent, of more than 8 bits, in
            other colours than RGB or grey, too large, or shorter than 16 pixels on a side.
    """
    try:
        with warnings.catch_warnings():
            # The limit below says so by name, before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=KINDS)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give JPEG, PNG or WebP files") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path} has far too many pixels; give at most {max_megapixels:g} megapixels") from None
    except Exception as error:
        raise DataError(f"{path} is no JPEG, PNG or WebP image ({error})") from None
    with image:
        _check(path, image, max_megapixels)
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            pixels = np.asarray(upright.convert("RGB"))
            kept = {"icc_profile": image.info.get("icc_profile"), "exif": upright.getexif().tobytes()}
        # Pillow's readers raise errors of many kinds on broken files.
        except Exception as error:
            raise DataError(f"{path} is no whole image ({error}); save it again") from None
    kind = "JPEG" if image.format == SEVERAL_JPEGS else str(image.format)
    return PhotoFile(pixels, kind, {name: value for name, value in kept.items() if value})


def write_photo(path: Path, pixels: NDArray[np.uint8], like: PhotoFile) -> None:
    """Write pixels uint8 `[h, w, 3]` as a file of the kind of `like`, with its colour profile and camera data."""
    settings: dict[str, Any] = dict(like.kept)
    if like.kind == "JPEG":
        settings |= {"quality": JPEG_QUALITY, "subsampling": 0}
    elif like.kind == "WEBP":
        settings |= {"quality": JPEG_QUALITY}
    Image.fromarray(pixels).save(path, format=like.kind, **settings)


def _check(path: Path, image: Image.Image, max_megapixels: float) -> None:
    width, height = image.size
    if width * height > max_megapixels * 1e6:
        raise DataError(f"{path} is {width} x {height} pixels; give at most {max_megapixels:g} megapixels")
    if min(width, height) < SHORTEST_SIDE:
        raise DataError(f"{path} is {width} x {height} pixels; give {SHORTEST_SIDE} or more a side")
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1 and image.format != SEVERAL_JPEGS:
        raise DataError(f"{path} is an animation of {pictures} pictures; give single photos")
    if image.mode not in MODES:
        raise DataError(f"{path} is in mode {image.mode}; save it as RGB or grey of 8 bits, without transparency")
    if "transparency" in image.info:
        raise DataError(f"{path} is transparent in places; save it without transparency")
