"""What operators want to know of a cascade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.images.stage_queues import Batch


@dataclass(frozen=True)
class StageRun:
    """A batch that was run.

    Attributes:
        batch: what ran: stage, bucket, rows and their waits.
        seconds: in the graph.
        confidences: float32 `[rows]`.
        left: rows that left the cascade here because they were sure enough, or because it was the last stage.
    """

    batch: Batch
    seconds: float
    confidences: NDArray[np.float32]
    left: int


@dataclass
class CascadeCounts:
    """What became of images and requests since the start.

    Attributes:
        exits: images by the stage that answered.
        cut_short: of these, images for which the deadline did not allow a later stage.
        refused: requests that were not taken on.
        too_late: requests whose deadline passed before the first stage had read them.
    """

    exits: list[int]
    cut_short: int = 0
    refused: int = 0
    too_late: int = 0
