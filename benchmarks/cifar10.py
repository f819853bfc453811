"""CIFAR-10 as arrays, from tar files of JPEG images named `class/number.jpg`."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HELD_OUT = 5000
SIDE = 32


@dataclass(frozen=True)
class Images:
    """Images and their classes.

    Attributes:
        pixels: uint8 `[rows, 32, 32, 3]`.
        classes: int64 `[rows]`, from 0 in the order of the names.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.classes)

    def take(self, rows: NDArray[np.int64]) -> Images:
        """The images at `rows`."""
        return Images(self.pixels[rows], self.classes[rows])


@dataclass(frozen=True)
class Cifar10:
    """Three parts: to train on, to choose by, to report on.

    Attributes:
        names: of the classes.
        train, held_out: the training file's images, shuffled by a fixed seed and parted.
        test: 5,000 of the test images.
    """

    names: tuple[str, ...]
    train: Images
    held_out: Images
    test: Images


def read_cifar10(folder: Path) -> Cifar10:
    """Read `train.tar` and `test_a.tar` of a folder; a copy as arrays is not kept, since reading takes seconds."""
    names, rows = _read(folder / "train.tar")
    order = np.random.default_rng(0).permutation(len(rows))
    _, test = _read(folder / "test_a.tar")
    return Cifar10(names, rows.take(order[HELD_OUT:]), rows.take(order[:HELD_OUT]), test)


def _read(path: Path) -> tuple[tuple[str, ...], Images]:
    pixels, folders = [], []
    with tarfile.open(path) as archive:
        for member in sorted((one for one in archive if one.isfile()), key=lambda one: one.name):
            file = archive.extractfile(member)
            assert file is not None
            pixels.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
            folders.append(member.name.split("/")[-2])
    names = tuple(sorted(set(folders)))
    place = {name: index for index, name in enumerate(names)}
    return names, Images(np.stack(pixels), np.array([place[name] for name in folders], np.int64))
