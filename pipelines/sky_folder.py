"""Photos improved file by file: masks, better photos, and a record of what was done to which."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seriatim_errors import DataError
from vision_components.sky.network import SkyNetwork
from vision_components.sky.photo import Improved, SkySettings, improve
from vision_components.sky.photo_file import PhotoFile, read_photo, write_photo

RECORD, MASK_ENDING, PICTURE_ENDING = "sky_photos.json", "_sky.png", "_before_after.jpg"
PICTURE_SIDE = 960


@dataclass(frozen=True)
class PhotoRecord:
    """What became of a photo.

    Attributes:
        file: its path.
        changed: whether it has a sky that was improved; the written photo is else a copy of the file.
        sky_share: share of it that is sky, 0 to 1; 0 for a photo that was refused.
        refused: why it could not be read; empty for one that could.
    """

    file: str
    changed: bool
    sky_share: float
    refused: str = ""


def improve_files(
    photos: Sequence[Path],
    network: SkyNetwork,
    out: Path,
    settings: SkySettings | None = None,
    *,
    pictures: bool = False,
    max_megapixels: float,
    on_photo: Callable[[PhotoRecord], None] | None = None,
) -> list[PhotoRecord]:
    """Write `NAME_sky.png` and the improved `NAME` of every photo, and `sky_photos.json`, to a folder.

    Every file is complete or not there. A photo that cannot be read is recorded as refused, and the others go on.

    Args:
        photos: files of different names.
        network: finds the sky.
        out: made when absent; not the folder that a photo lies in, since the original is to stay.
        settings: thresholds, filter and effects.
        pictures: whether to write `NAME_before_after.jpg` of photos that changed, too.
        max_megapixels: larger photos are refused.
        on_photo: called after each.

    Raises:
        DataError: two photos would be written to one file, a photo would be overwritten, or the folder cannot be
            written.
    """
    settings = settings or SkySettings()
    _check(photos, out)
    records = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in photos:
            records.append(_improve_file(path, network, out, settings, pictures, max_megapixels))
            if on_photo is not None:
                on_photo(records[-1])
        record = {"network": network.version, "settings": asdict(settings), "photos": [asdict(one) for one in records]}
        _whole(out / RECORD, lambda partial: _write_text(partial, json.dumps(record, indent=1) + "\n"))
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}; name a folder") from None
    return records


def before_and_after(before: NDArray[np.uint8], improved: Improved) -> Image.Image:
    """The photo, its mask and the improved photo beside one another, each at most 960 pixels a side."""
    parts = [Image.fromarray(pixels).convert("RGB") for pixels in (before, improved.mask, improved.photo)]
    for part in parts:
        part.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    width, height = parts[0].size
    picture = Image.new("RGB", (width * len(parts), height))
    for place, part in enumerate(parts):
        picture.paste(part, (place * width, 0))
    return picture


def _improve_file(
    path: Path, network: SkyNetwork, out: Path, settings: SkySettings, pictures: bool, max_megapixels: float
) -> PhotoRecord:
    try:
        photo = read_photo(path, max_megapixels)
    except DataError as error:
        return PhotoRecord(str(path), False, 0.0, str(error))
    improved = improve(photo.pixels, network, settings)
    _whole(out / f"{path.stem}{MASK_ENDING}", Image.fromarray(improved.mask).save)
    _whole(out / path.name, lambda partial: _write_improved(partial, path, photo, improved))
    if pictures and improved.changed:
        picture = before_and_after(photo.pixels, improved)
        _whole(out / f"{path.stem}{PICTURE_ENDING}", lambda partial: picture.save(partial, quality=90))
    return PhotoRecord(str(path), improved.changed, improved.sky_share)


def _write_improved(partial: Path, path: Path, photo: PhotoFile, improved: Improved) -> None:
    if improved.changed:
        write_photo(partial, improved.photo, photo)
    else:
        shutil.copyfile(path, partial)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    partial = path.with_name(f".part-{path.name}")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _check(photos: Sequence[Path], out: Path) -> None:
    seen: dict[str, Path] = {}
    for path in photos:
        # On some file systems A.jpg and a.jpg are one file.
        key = path.stem.lower()
        if key in seen:
            raise DataError(f"{seen[key]} and {path} would be written to one name; improve them into two folders")
        seen[key] = path
        if path.parent.resolve() == out.resolve():
            raise DataError(f"--out {out} is the folder of {path}, which would be overwritten; name another folder")
