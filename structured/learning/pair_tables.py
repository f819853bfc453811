"""Pair weights as tables of scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structured.learning.label_space import LabelSpace
from structured.learning.weights import Weights


def pair_tables(weights: Weights, edges: NDArray[np.int64], space: LabelSpace) -> NDArray[np.float64]:
    """The pair scores of each edge and pair feature, `[f, E, K, K]`."""
    width = space.width
    groups = weights.pair.reshape(len(weights.pair), len(edges), width, width)
    return np.einsum("ekp,fepq,elq->fekl", space.basis[edges[:, 0]], groups, space.basis[edges[:, 1]], optimize=True)
