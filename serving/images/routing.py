"""Which images leave a cascade after a stage, and with what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.images.confidence import confidence_of, leaves
from serving.images.manifest import CascadeManifest


@dataclass(frozen=True)
class Verdict:
    """On the rows of one batch.

    Attributes:
        totals: float32 `[rows, classes]`, sums of the probabilities of the stages so far.
        probabilities: float32 `[rows, classes]`, the cascade's answer if it ends here.
        confidences: float32 `[rows]`, of that answer.
        leaving: which rows leave here.
    """

    totals: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    confidences: NDArray[np.float32]
    leaving: tuple[bool, ...]


def judge(
    manifest: CascadeManifest, stage: int, before: NDArray[np.float32] | None, probabilities: NDArray[np.float32]
) -> Verdict:
    """Combine what a stage says with what those before it said, and compare with its threshold.

    Args:
        manifest: of the cascade.
        stage: which stage, from 0.
        before: float32 `[rows, classes]`, sums of the probabilities of the stages before; None for the first.
        probabilities: float32 `[rows, classes]`, of this stage alone.
    """
    totals = probabilities if before is None else before + probabilities
    combined = totals / np.float32(stage + 1) if manifest.combine == "mean" else probabilities
    confidences = confidence_of(combined, manifest.confidence)
    threshold = manifest.stages[stage].threshold
    return Verdict(totals, combined, confidences, tuple(leaves(value, threshold) for value in confidences))
