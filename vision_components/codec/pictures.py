"""Picture files to the uint8 RGB that a codec reads, and back."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from seriatim_errors import DataError
from vision_components.codec.bitstream import check_size

# Modes of 8 bits a channel; others would lose bits without a word.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A file as uint8 `[height, width, 3]`, upright.

    Greys become three equal channels, palettes and CMYK become RGB, and a rotation that the file's EXIF data ask for is
    carried out. An alpha channel is left out where it is opaque everywhere.

    Raises:
        DataError: the file is missing, no picture or a damaged one, too large, transparent, of several frames, or has
            more than 8 bits a channel.
    """
    try:
        # Pillow warns of sizes that `check_size` refuses, and of ones that are sound.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                check_size(image.height, image.width, str(path))
                if image.mode not in MODES:
                    raise DataError(f"{path} has the mode {image.mode}; convert it to 8 bits a channel")
                frames = getattr(image, "n_frames", 1)
                if frames != 1:
                    raise DataError(f"{path} has {frames} frames; save the one to keep")
                return _rgb(ImageOps.exif_transpose(image), path)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"picture {path} does not exist") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large: {error}") from error
    except Exception as error:
        # Pillow's decoders raise errors of many kinds on damaged files, SyntaxError and struct.error among them.
        raise DataError(f"{path} is no picture that can be read: {error}") from error


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write uint8 `[height, width, 3]` without loss."""
    Image.fromarray(picture).save(path, format="PNG")


def pictures_below(paths: list[Path]) -> list[Path]:
    """The files named, and all with a picture's suffix below the folders named, sorted.

    Raises:
        DataError: a path does not exist, or there is no picture.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist; give pictures or folders of them")
        below = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not below:
            raise DataError(f"folder {path} holds no picture ({', '.join(SUFFIXES)})")
        found += below
    return found


def _rgb(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{path} is transparent in places, which a codec cannot keep; flatten it first")
    return np.asarray(image.convert("RGB"))
