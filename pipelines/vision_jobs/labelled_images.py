"""Images with their classes, from a file of arrays or from a folder with a subfolder a class."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


@dataclass(frozen=True)
class LabelledImages:
    """Images of one size and their classes.

    Attributes:
        pixels: uint8 `[rows, height, width, channels]`, one channel or three.
        labels: int64 `[rows]`, places among the names.
        names: of the classes.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> LabelledImages:
        """The images at `rows`."""
        return LabelledImages(self.pixels[rows], self.labels[rows], self.names)


def read_labelled_images(path: Path) -> LabelledImages:
    """Read `images` and `labels` of an npz file, or `class/name.png` of a folder.

    Args:
        path: an npz file with `images`, uint8 `[rows, height, width, 1 or 3]`, and `labels`, integers from 0; or a
            folder whose subfolders are the classes, in the order of their names, with PNG, JPEG, WebP or BMP files.

    Raises:
        DataError: there is no such file, it holds something else, images differ in size, or there is one class only.
    """
    if not path.exists():
        raise DataError(f"images {path} does not exist; give an npz file or a folder with a subfolder a class")
    images = _from_folder(path) if path.is_dir() else _from_arrays(path)
    present = len(np.unique(images.labels))
    if present < 2:
        raise DataError(f"images {path} has {present} class; give two or more, or there is nothing to tell apart")
    return images


def split_rows(images: LabelledImages, share: float, seed: int = 0) -> tuple[LabelledImages, LabelledImages]:
    """Two parts of which the second has about `share` of each class, and one image of each class at least.

    Raises:
        DataError: a class has fewer than two images.
    """
    rng = np.random.default_rng(seed)
    second: list[int] = []
    for label in np.unique(images.labels):
        rows = rng.permutation(np.flatnonzero(images.labels == label))
        if len(rows) < 2:
            raise DataError(f"class {images.names[label]!r} has one image; give two or more, one to judge by")
        second += rows[: min(len(rows) - 1, max(1, round(share * len(rows))))].tolist()
    chosen = np.zeros(len(images), bool)
    chosen[second] = True
    return images.take(np.flatnonzero(~chosen)), images.take(np.flatnonzero(chosen))


def _from_arrays(path: Path) -> LabelledImages:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"images {path} is no npz file ({error}); write one with numpy.savez") from None
    for name in ("images", "labels"):
        if name not in arrays:
            raise DataError(f"images {path}: array {name!r} is missing (found: {', '.join(arrays) or 'none'}); add it")
    pixels, labels = arrays["images"], arrays["labels"]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or not len(pixels):
        raise DataError(
            f"images {path}: 'images' is {pixels.dtype} {list(pixels.shape)}; give uint8 [rows, height, width, 1 or 3]"
        )
    if labels.shape != pixels.shape[:1] or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise DataError(
            f"images {path}: 'labels' is {labels.dtype} {list(labels.shape)}; give integers from 0, one an image"
        )
    return LabelledImages(pixels, labels.astype(np.int64), tuple(map(str, range(int(labels.max()) + 1))))


def _from_folder(folder: Path) -> LabelledImages:
    classes = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    pixels: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    names: list[str] = []
    for path in classes:
        files = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS)
        if files:
            pixels += [_picture(file) for file in files]
            labels += [len(names)] * len(files)
            names.append(path.name)
    if not pixels:
        raise DataError(f"images {folder} has no pictures in subfolders; put them at class/name.png")
    for image, place in zip(pixels, labels, strict=True):
        if image.shape != pixels[0].shape:
            shapes = f"{list(pixels[0].shape)} and, in class {names[place]!r}, {list(image.shape)}"
            raise DataError(f"images {folder} differ in size: {shapes}; resize them to one size")
    return LabelledImages(np.stack(pixels), np.array(labels, np.int64), tuple(names))


def _picture(path: Path) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{path} is no picture that can be read ({error}); remove it or write it anew") from None
