"""How sure a stage is: what decides whether an image leaves a cascade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serving.images.manifest import ConfidenceKind


def confidence_of(probabilities: NDArray[np.float32], kind: ConfidenceKind) -> NDArray[np.float32]:
    """Confidence of each row, from 0 to 1 (Wang et al., Wisdom of Committees, section 3).

    `max_probability` is the largest probability; `margin` the difference of the two largest; `entropy` is 1 minus the
    entropy over its largest possible value, so that it rises with confidence as the others do.

    Args:
        probabilities: float32 `[rows, classes]`, two classes or more.
        kind: which of them.

    Returns:
        float32 `[rows]`; not a number where a row holds one that is none.
    """
    if kind == "max_probability":
        confidence = probabilities.max(axis=1)
    elif kind == "margin":
        ordered = np.sort(probabilities, axis=1)
        confidence = ordered[:, -1] - ordered[:, -2]
    else:
        # In double precision, so that a row's confidence does not depend on its neighbours in the batch.
        rows = probabilities.astype(np.float64)
        logarithms = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
        confidence = 1 + (rows * logarithms).sum(axis=1) / np.log(rows.shape[1])
    return np.minimum(np.maximum(confidence, 0), 1).astype(np.float32, copy=False)


def leaves(confidence: float | np.float32, threshold: float | None) -> bool:
    """Whether a row of this confidence leaves: at the threshold or above it, in float32; at the last stage always."""
    return threshold is None or bool(np.float32(confidence) >= np.float32(threshold))
