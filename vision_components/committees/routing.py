"""A cascade as its definition reads: every stage on every row, and which rows would have left where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vision_components.committees.confidence import Confidence, confidence_of

# A stage answers with the mean of the stages so far, or with its own prediction.
Combine = Literal["mean", "last"]
# A threshold that nothing reaches: a float32 softmax can be 1, so 1 is none.
NEVER = 2.0


@dataclass(frozen=True)
class Routed:
    """What a cascade answers.

    Attributes:
        probabilities: float32 `[rows, classes]`.
        exit_stage: int64 `[rows]`, from 0.
        confidence: float32 `[rows]`, of these probabilities.
    """

    probabilities: NDArray[np.float32]
    exit_stage: NDArray[np.int64]
    confidence: NDArray[np.float32]


def combined(predictions: NDArray[np.floating], combine: Combine) -> NDArray[np.float32]:
    """What each stage would answer: the mean of the stages so far, or its own prediction.

    Args:
        predictions: float `[stages, rows, classes]`, probabilities.
        combine: `mean` or `last`. Averaging in a weak early stage can keep a cascade below its best model; `last` does
            not.

    Returns:
        float32 `[stages, rows, classes]`.
    """
    if combine == "last":
        return predictions.astype(np.float32)
    if combine != "mean":
        raise ValueError(f"combine {combine!r}; give mean or last")
    sums = np.cumsum(predictions.astype(np.float32), axis=0, dtype=np.float32)
    return sums / np.arange(1, len(predictions) + 1, dtype=np.float32)[:, np.newaxis, np.newaxis]


def route(
    predictions: NDArray[np.floating],
    thresholds: Sequence[float],
    confidence: Confidence = "max_probability",
    combine: Combine = "mean",
) -> Routed:
    """Send rows through a cascade: a row leaves at the first stage of which the confidence is at least the threshold.

    Args:
        predictions: float `[stages, rows, classes]`, probabilities of the stages in their order.
        thresholds: of all stages but the last; 0 lets every row leave, `NEVER` none.
        confidence: what is compared with them.
        combine: what a stage answers.

    Raises:
        ValueError: the thresholds are not one fewer than the stages.
    """
    stages = len(predictions)
    if len(thresholds) != stages - 1:
        raise ValueError(f"{len(thresholds)} thresholds for {stages} stages; give one for each but the last")
    answers = combined(predictions, combine)
    sure = confidence_of(answers, confidence)
    leaves = np.ones((stages, answers.shape[1]), bool)
    leaves[:-1] = sure[:-1] >= np.asarray(thresholds, np.float32)[:, np.newaxis]
    exits, rows = leaves.argmax(axis=0), np.arange(answers.shape[1])
    return Routed(answers[exits, rows], exits, sure[exits, rows])
