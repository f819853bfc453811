"""Photos with sky masks to learn from, out of a folder or a tar file."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seriatim_errors import DataError
from vision_components.sky.guided_filter import CELL
from vision_components.sky.inpainting import GROUND, SKY, UNLABELLED, refined
from vision_components.sky.photo import cell_for
from vision_components.sky.resampling import resized_pixels, resized_plane

MASK_ENDING = "_sky.png"
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo and what is known of its pixels.

    Attributes:
        name: of its file.
        pixels: uint8 `[h, w, 3]`.
        labels: uint8 `[h, w]`: 255 sky, 0 not sky, 128 unlabelled.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class SkyExamples:
    """Labelled photos in the size that a network reads.

    Attributes:
        photos: uint8 `[n, side, side, 3]`.
        targets: uint8 `[n, side, side]`, the sky's share of what is labelled, times 255.
        weights: uint8 `[n, side, side]`, the share that is labelled, times 255.
    """

    photos: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    weights: NDArray[np.uint8]

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.photos)


def read_labelled_photos(path: Path) -> Iterator[LabelledPhoto]:
    """Every photo `NAME.jpg` (or .jpeg, .png, .webp) with its mask `NAME_sky.png`, in the order of the names.

    Args:
        path: a folder, read with all folders in it, or a tar file, packed or not.

    Raises:
        DataError: there is nothing of that kind, a photo has no mask or a mask no photo, an image cannot be read, or a
            mask is of another size or holds other values than 255, 128 and 0.
    """
    files = _files_of_folder(path) if path.is_dir() else _files_of_tar(path)
    names = {str(PurePosixPath(name).with_suffix("")): name for name in files if _is_photo(name)}
    masks = {name.removesuffix(MASK_ENDING): name for name in files if name.endswith(MASK_ENDING)}
    if not names:
        raise DataError(f"{path} holds no photo; give photos NAME.jpg with masks NAME{MASK_ENDING}")
    for stem in sorted(names.keys() ^ masks.keys()):
        if stem in names:
            raise DataError(f"{path}: {names[stem]} has no mask {PurePosixPath(stem).name}{MASK_ENDING}; add it")
        raise DataError(f"{path}: {masks[stem]} has no photo {PurePosixPath(stem).name}.jpg; add it")
    return (_labelled(path, names[stem], files[names[stem]], masks[stem], files[masks[stem]]) for stem in sorted(names))


def sky_examples(photos: Iterable[LabelledPhoto], side: int, refine: bool = False) -> SkyExamples:
    """Examples of `side` x `side` pixels, whatever the photos' proportions.

    Args:
        photos: one or more.
        side: height and width.
        refine: fill gaps by the density of the sky's colours and soften edges with the guided filter, at the photo's
            own size; else gaps stay without weight.

    Raises:
        DataError: there is no photo.
    """
    shown, targets, weights = [], [], []
    for one in photos:
        if refine:
            soft = resized_plane(refined(one.pixels, one.labels, cell=cell_for(one.labels.shape, CELL)), side, side)
            known = np.ones_like(soft)
        else:
            known = resized_plane((one.labels != UNLABELLED).astype(np.float32), side, side)
            sky = resized_plane((one.labels == SKY).astype(np.float32), side, side)
            soft = sky / np.maximum(known, 1e-6)
        shown.append(resized_pixels(one.pixels, side, side))
        targets.append(_levels(soft))
        weights.append(_levels(known))
    if not shown:
        raise DataError("there are no photos to learn from; give one or more")
    return SkyExamples(np.stack(shown), np.stack(targets), np.stack(weights))


def _levels(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)


def _is_photo(name: str) -> bool:
    return name.lower().endswith(PHOTO_ENDINGS) and not name.endswith(MASK_ENDING)


def _files_of_folder(path: Path) -> dict[str, Path | bytes]:
    return {one.relative_to(path).as_posix(): one for one in path.rglob("*") if one.is_file()}


def _files_of_tar(path: Path) -> dict[str, Path | bytes]:
    contents: dict[str, Path | bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    # Of `tar -cf photos.tar .` every name begins with "./".
                    contents[str(PurePosixPath(member.name))] = file.read()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give a folder or a tar file of photos and masks") from None
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path} is no folder and no whole tar file ({error})") from None
    return contents


def _labelled(path: Path, name: str, photo: Path | bytes, mask_name: str, mask: Path | bytes) -> LabelledPhoto:
    pixels = _read(path, name, photo, "RGB")
    labels = _read(path, mask_name, mask, "L")
    if labels.shape != pixels.shape[:2]:
        sizes = " and ".join(f"{one.shape[1]} x {one.shape[0]}" for one in (pixels, labels))
        raise DataError(f"{path}: {name} and {mask_name} are of {sizes} pixels; save them in one size")
    wrong = set(np.unique(labels).tolist()) - {SKY, GROUND, UNLABELLED}
    if wrong:
        raise DataError(f"{path}: {mask_name} holds {sorted(wrong)[:5]}; 255 is sky, 0 not sky, 128 unlabelled")
    return LabelledPhoto(name, pixels, labels)


def _read(path: Path, name: str, file: Path | bytes, mode: str) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
            return np.asarray(image.convert(mode))
    # Pillow's readers raise errors of many kinds on broken files.
    except Exception as error:
        raise DataError(f"{path}: {name} cannot be read ({error}); save it again") from None
