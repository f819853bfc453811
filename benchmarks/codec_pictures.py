"""Pictures to train codecs on and to test them with, from folders or tar files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision_components.codec.pictures import SUFFIXES, pictures_below, read_picture

Picture = NDArray[np.uint8]
# CamVid's masks lie beside its frames.
MASK = "_sky.png"


def read_pictures(path: Path, most: int | None = None) -> dict[str, Picture]:
    """Uint8 `[height, width, 3]` by name: the first `most` pictures of a folder or tar file, sorted, no masks."""
    if path.is_dir():
        files = [file for file in pictures_below([path]) if not file.name.endswith(MASK)]
        return {file.stem: read_picture(file) for file in files[:most]}
    found = {}
    with tarfile.open(path) as archive:
        members = sorted((one for one in archive if one.isfile()), key=lambda one: one.name)
        for member in [one for one in members if _is_picture(one.name)][:most]:
            file = archive.extractfile(member)
            assert file is not None
            found[Path(member.name).stem] = np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB"))
    return found


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES and not name.endswith(MASK)
