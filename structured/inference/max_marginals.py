"""The best score with one label's state fixed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structured.graphs import RootedForest
from structured.inference.messages import maximum, pass_messages
from structured.inference.potentials import Potentials


def max_marginals(potentials: Potentials, forest: RootedForest | None = None) -> NDArray[np.float64]:
    """The best score of all labelings in which a label has a state: float64 `[B, n, K]`.

    Args:
        potentials: of `B` inputs.
        forest: of `potentials.edges`; None makes it.

    Raises:
        StructureError: the edges close a circle.
    """
    count = potentials.unary.shape[1]
    rooted = RootedForest.from_edges(potentials.edges, count) if forest is None else forest
    full = pass_messages(potentials, rooted, maximum).full
    own = full.max(axis=1)
    elsewhere = own[rooted.levels[0]].sum(axis=0) - own
    return np.ascontiguousarray((full + elsewhere[:, None]).transpose(2, 0, 1))
