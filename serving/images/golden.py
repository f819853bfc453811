"""Golden images: what every stage said about them when the cascade was made."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.images.decoding import resized
from serving.images.stage_graph import StageGraph

# Half precision and another processor move probabilities by less; another graph or another input moves them by more.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class GoldenImages:
    """A few images of one size; every stage has read all of them, whatever the thresholds say.

    Attributes:
        images: uint8 `[images, height, width, 3]`, as decoded; each stage's size is made from it.
        probabilities: float32 `[images, stages, classes]`.
        embeddings: float32 `[images, stages, width]`, of width 0 for a cascade without.
    """

    images: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def save(self, path: Path) -> None:
        """Write to an `.npz` file."""
        np.savez(path, images=self.images, probabilities=self.probabilities, embeddings=self.embeddings)

    @classmethod
    def load(cls, path: Path, stages: int, classes: int, embedding_width: int) -> GoldenImages:
        """Read an `.npz` file of at least one image.

        Raises:
            BundleError: the file is missing, is no `.npz` file, or holds arrays of other names, types or shapes.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                golden = cls(**{name: arrays[name] for name in arrays.files})
        except (OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise BundleError(f"{path} holds no golden images: {error}; restore the cascade") from None
        count = len(golden.images) if golden.images.ndim == 4 else 0
        expected = (("probabilities", (count, stages, classes)), ("embeddings", (count, stages, embedding_width)))
        for name, shape in expected:
            found = getattr(golden, name)
            if found.shape != shape or found.dtype != np.float32:
                raise BundleError(
                    f"{path}: {name} is {found.dtype} {list(found.shape)}, expected float32 {list(shape)}; "
                    "restore the cascade"
                )
        if golden.images.dtype != np.uint8 or count == 0 or 0 in golden.images.shape or golden.images.shape[3] != 3:
            raise BundleError(
                f"{path}: images is {golden.images.dtype} {list(golden.images.shape)}, expected uint8 "
                "[images, height, width, 3] of at least one image; restore the cascade"
            )
        return golden


def answers_of(graphs: Sequence[StageGraph], images: NDArray[np.uint8], bucket: int = 1) -> GoldenImages:
    """What every stage says about `images` (uint8 `[images, height, width, 3]`), one image at a time.

    Args:
        graphs: of the stages.
        images: uint8 `[images, height, width, 3]`.
        bucket: size of the batches that the graphs are given.

    Raises:
        ServiceError: a graph gives other shapes than it promises.
    """
    answers = [[graph.run([resized(image, graph.size)], bucket) for graph in graphs] for image in images]
    return GoldenImages(
        images,
        np.array([[stage.probabilities[0] for stage in row] for row in answers], np.float32),
        np.array([[stage.embeddings[0] for stage in row] for row in answers], np.float32),
    )


def self_test(version: str, graphs: Sequence[StageGraph], golden: GoldenImages, bucket: int = 1) -> None:
    """Let every stage read the golden images, in batches of the size `bucket`, and compare.

    Raises:
        BundleError: a probability or an embedding is off by more than `TOLERANCE`.
    """
    found = answers_of(graphs, golden.images, bucket)
    for name in ("probabilities", "embeddings"):
        off = np.abs(getattr(found, name) - getattr(golden, name))
        # Not "> TOLERANCE" alone: nothing compares as greater where a value is not a number.
        wrong = np.argwhere(~(off <= TOLERANCE))
        if len(wrong):
            image, stage, _ = wrong[0]
            raise BundleError(
                f"cascade {version}: golden image {image}: {name} of stage {stage} are off by "
                f"{off[image, stage].max():.1e}; the cascade or the runtime changed, do not serve it"
            )
