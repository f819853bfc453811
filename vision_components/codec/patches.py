"""Random patches of pictures, to train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import TrainingError
from vision_components.codec.design import HYPER_STRIDE


class Patches:
    """Draws patches, mirrored half of the time, from pictures that are large enough.

    Args:
        pictures: uint8 `[height, width, 3]` of any sizes.
        side: of a patch, divisible by 64.
        seed: the same gives the same patches.

    Raises:
        TrainingError: the side is not divisible by 64, or no picture is as large as a patch.
    """

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], side: int, seed: int = 0) -> None:
        if side < HYPER_STRIDE or side % HYPER_STRIDE:
            raise TrainingError(f"patch {side}; give a multiple of {HYPER_STRIDE}")
        self.pictures = [picture for picture in pictures if min(picture.shape[:2]) >= side]
        if not self.pictures:
            raise TrainingError(f"none of {len(pictures)} pictures has sides of {side} or more; give a smaller patch")
        self.side, self._draws = side, np.random.default_rng(seed)

    def batch(self, count: int) -> NDArray[np.uint8]:
        """Patches uint8 `[count, side, side, 3]`."""
        return np.stack([self._patch() for _ in range(count)])

    def _patch(self) -> NDArray[np.uint8]:
        picture = self.pictures[self._draws.integers(len(self.pictures))]
        top, left = (self._draws.integers(size - self.side + 1) for size in picture.shape[:2])
        patch = picture[top : top + self.side, left : left + self.side]
        return patch[:, ::-1] if self._draws.integers(2) else patch
