"""Cascades for segmentation: only the cells of an image that the first network is not sure of go to the second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.committees.confidence import Confidence, confidence_of
from vision_components.committees.members import CascadeStage


@dataclass(frozen=True)
class RoutedCells:
    """What a segmentation cascade answers.

    Attributes:
        probabilities: float32 `[images, height, width, classes]`.
        confidence: float32 `[images, rows, columns]`, the first network's mean confidence in each cell.
        escalated: bool `[images, rows, columns]`, the cells that the second network read.
    """

    probabilities: NDArray[np.float32]
    confidence: NDArray[np.float32]
    escalated: NDArray[np.bool_]


class CellCascade:
    """Two networks that answer with logits for every pixel; the second reads the unsure cells alone.

    A cell goes to the second network with a margin around it, so that what it computes near the cell's edges sees its
    neighbours; with a margin of the network's receptive field or more, the answer is that of the whole image.

    Args:
        first, second: for images of any size that is a multiple of the cell.
        threshold: a cell of which the mean confidence is at least this stays with the first network's answer.
        cell: side of a cell in pixels.
        margin: pixels around a cell, beyond the image's edges filled with zeros.
        confidence: of a pixel.

    Raises:
        DataError: the cell is not positive or the margin negative.
    """

    def __init__(
        self,
        first: CascadeStage,
        second: CascadeStage,
        threshold: float,
        cell: int,
        margin: int = 0,
        confidence: Confidence = "max_probability",
    ) -> None:
        if cell < 1 or margin < 0:
            raise DataError(f"cell {cell}, margin {margin}; give a side of 1 or more and a margin of 0 or more")
        self.first, self.second, self.confidence = first, second, confidence
        self.threshold, self.cell, self.margin = threshold, cell, margin

    def predict(self, images: NDArray[np.float32], batch_size: int = 32) -> RoutedCells:
        """Classes of all pixels.

        Args:
            images: float32 `[images, height, width, channels]`, height and width multiples of the cell.
            batch_size: of images for the first network and of cells for the second.

        Raises:
            DataError: a size is no multiple of the cell, or a network answers with another size.
        """
        height, width = images.shape[1:3]
        if height % self.cell or width % self.cell:
            raise DataError(
                f"images of {height} x {width} pixels; give sizes that are multiples of the cell, {self.cell}"
            )
        probabilities = _predicted(self.first, images, batch_size)
        sure = cell_means(confidence_of(probabilities, self.confidence), self.cell)
        escalated = sure < np.float32(self.threshold)
        around = ((0, 0), (self.margin, self.margin), (self.margin, self.margin), (0, 0))
        crops = cells_of(np.pad(images, around), self.cell, self.margin, escalated)
        if len(crops):
            inner = slice(self.margin, self.margin + self.cell)
            answers = _predicted(self.second, crops, batch_size)[:, inner, inner]
            _cell_view(probabilities, self.cell)[np.nonzero(escalated)] = answers
        return RoutedCells(probabilities, sure, escalated)

    def expected_cost(self, escalated: NDArray[np.bool_], input_shape: tuple[int, int, int]) -> float:
        """Multiply-adds of an image: the first network's, and the second's for each escalated cell with its margin."""
        side = self.cell + 2 * self.margin
        cells_an_image = float(escalated.sum()) / len(escalated)
        crop = self.second.multiply_adds((side, side, input_shape[2]))
        return self.first.multiply_adds(input_shape) + cells_an_image * crop


def cell_means(confidence: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """Mean confidence of each cell, `[images, rows, columns]`, of pixels `[images, height, width]`."""
    return _cell_view(confidence[..., np.newaxis], cell)[..., 0].mean(axis=(3, 4), dtype=np.float32)


def cells_of(padded: NDArray[np.float32], cell: int, margin: int, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The chosen cells with their margins, `[cells, side, side, channels]`, of images padded by the margin."""
    side = cell + 2 * margin
    view = np.lib.stride_tricks.sliding_window_view
    # NumPy's types know one axis alone.
    windows = view(padded, (side, side), axis=(1, 2))[:, ::cell, ::cell]  # type: ignore[call-overload]
    return windows[np.nonzero(chosen)].transpose(0, 2, 3, 1)


def _cell_view(pixels: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """A view `[images, rows, columns, cell, cell, channels]` of pixels `[images, height, width, channels]`."""
    images, height, width, channels = pixels.shape
    return pixels.reshape(images, height // cell, cell, width // cell, cell, channels).swapaxes(2, 3)


def _predicted(stage: CascadeStage, images: NDArray[np.float32], batch_size: int) -> NDArray[np.float32]:
    answers = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        answer = stage.probabilities(tf.cast(batch, tf.float32)).numpy()
        if answer.shape[:3] != batch.shape[:3]:
            raise DataError(
                f"{stage.model.name} answers {answer.shape[1:3]} for images of {batch.shape[1:3]} pixels; "
                "give a network that answers for every pixel"
            )
        answers.append(answer)
    return np.concatenate(answers)
