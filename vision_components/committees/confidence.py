"""How sure a prediction is, from 0 to 1: what decides whether a row leaves a cascade."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

# Ways to say how sure a prediction is; `confidence_of` defines them.
Confidence = Literal["max_probability", "margin", "entropy"]


def confidence_of(probabilities: NDArray[np.floating], kind: Confidence = "max_probability") -> NDArray[np.float32]:
    """Confidence of each row.

    `max_probability` is the largest probability, from 1 over the number of classes to 1. `margin` is the difference of
    the two largest. `entropy` is 1 minus the entropy over its largest possible value. The paper finds the three close.

    Args:
        probabilities: float `[..., classes]`, two classes or more, each row adding up to 1.
        kind: which of them.

    Returns:
        float32 `[...]`: decisions are made in float32 wherever a cascade runs.

    Raises:
        ValueError: there are fewer than two classes, or there is no such kind.
    """
    classes = probabilities.shape[-1]
    if classes < 2:
        raise ValueError(f"probabilities of {classes} classes; a confidence needs two or more")
    if kind == "max_probability":
        confidence = probabilities.max(axis=-1)
    elif kind == "margin":
        ordered = np.partition(probabilities, classes - 2, axis=-1)
        confidence = ordered[..., -1] - ordered[..., -2]
    elif kind == "entropy":
        rows = probabilities.astype(np.float64)
        logarithms = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
        confidence = 1 + (rows * logarithms).sum(axis=-1) / np.log(classes)
    else:
        raise ValueError(f"confidence {kind!r}; give max_probability, margin or entropy")
    return np.clip(confidence, 0, 1).astype(np.float32)
