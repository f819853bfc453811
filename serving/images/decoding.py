"""From an image file to pixels; what a file declares is held to the limits before anything is allocated for it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serving.images.manifest import InputSize
from serving.images.webp import webp_size
from serving.runtime.query import InvalidRequestError

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 4 << 20
MAX_PIXELS = 16 << 20
# Resampling keeps weights for every pixel along a side: a line of 16 million pixels would want 256 MB of them.
MAX_SIDE = 16_384
# A JPEG of a few kilobytes can ask for thousands of passes over its pixels; encoders write about ten.
MAX_SCANS = 100
START_OF_SCAN = b"\xff\xda"
ORIENTATION = 0x0112
TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ImageSource = bytes | NDArray[np.uint8]


def prepared(source: ImageSource, sizes: Sequence[InputSize], field: str) -> tuple[NDArray[np.uint8], ...]:
    """An image in the size of each stage; stages of one size share one array.

    Args:
        source: a JPEG, PNG or WebP file, or uint8 `[height, width, 3]`.
        sizes: of the stages.
        field: what a refusal names.

    Returns:
        uint8 `[height, width, 3]`, one for each of `sizes`.

    Raises:
        InvalidRequestError: the file is not a sound image within the limits.
    """
    image = decoded(source, field) if isinstance(source, bytes) else Image.fromarray(source)
    by_size = {size: _resized(image, size) for size in dict.fromkeys(sizes)}
    return tuple(by_size[size] for size in sizes)


def resized(pixels: NDArray[np.uint8], size: InputSize) -> NDArray[np.uint8]:
    """`pixels` (uint8 `[height, width, 3]`) in another size: bilinear, with antialiasing when it shrinks."""
    return _resized(Image.fromarray(pixels), size)


def decoded(content: bytes, field: str) -> Image.Image:
    """The image in a file, upright and in RGB; of an animation the first picture, of transparency nothing.

    Raises:
        InvalidRequestError: the file is no whole JPEG, PNG or WebP image, or is beyond a limit.
    """
    if not content:
        raise InvalidRequestError(field, "is empty; give a JPEG, PNG or WebP file")
    if len(content) > MAX_BYTES:
        raise InvalidRequestError(field, f"has {len(content)} bytes; give at most {MAX_BYTES}")
    # Pillow's WebP decoder allocates while it opens, before anyone can ask for the size.
    if (size := webp_size(content)) is not None:
        _require_moderate(size, field)
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise InvalidRequestError(field, f"has too many pixels; give at most {MAX_PIXELS}") from None
    except Exception as error:
        raise _unreadable(field, error) from None
    _require_moderate(image.size, field)
    if content.startswith(b"\xff\xd8") and content.count(START_OF_SCAN) > MAX_SCANS:
        scans = content.count(START_OF_SCAN)
        raise InvalidRequestError(field, f"has {scans} scans; save it with at most {MAX_SCANS}")
    try:
        image.load()
        return _rgb(_upright(image))
    except Exception as error:
        raise _unreadable(field, error) from None


def _require_moderate(size: tuple[int, int], field: str) -> None:
    width, height = size
    if width < 1 or height < 1 or max(size) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InvalidRequestError(
            field, f"is {width} x {height} pixels; give at most {MAX_PIXELS} in all and {MAX_SIDE} a side"
        )


def _unreadable(field: str, error: Exception) -> Exception:
    """Pillow's readers raise errors of many kinds on broken files; lack of memory alone is not the file's fault."""
    if isinstance(error, MemoryError):
        return error
    return InvalidRequestError(field, f"is no whole JPEG, PNG or WebP image ({error}); save it again")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:
        # Cameras write broken notes beside sound pictures.
        return image
    return image.transpose(TRANSPOSES[orientation]) if orientation in TRANSPOSES else image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion of 16 bits clips at 255 in place of scaling.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _resized(image: Image.Image, size: InputSize) -> NDArray[np.uint8]:
    return np.asarray(image.resize((size.width, size.height), Image.Resampling.BILINEAR))
