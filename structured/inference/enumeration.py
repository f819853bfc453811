"""Every labeling of a few labels: the exact oracle for small graphs with circles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import StructureError
from structured.inference.potentials import Potentials

MOST_LABELINGS = 1 << 17


def enumerate_states(states: NDArray[np.int64]) -> NDArray[np.int64]:
    """All labelings in lexicographic order, int64 `[S, n]`.

    Args:
        states: `[n]`, number of states of each label.

    Raises:
        StructureError: there are more than 131,072.
    """
    count = int(np.prod(states.astype(object))) if len(states) else 1
    if count > MOST_LABELINGS:
        raise StructureError(
            f"{len(states)} labels have {count:,} labelings; above {MOST_LABELINGS:,} use a relaxation"
        )
    rest = np.arange(count)
    labelings = np.empty((count, len(states)), np.int64)
    for label in range(len(states) - 1, -1, -1):
        rest, labelings[:, label] = np.divmod(rest, states[label])
    return labelings


def best_by_enumeration(potentials: Potentials, labelings: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best labeling of each input, int64 `[B, n]`; ties go to the first of `labelings`."""
    return labelings[all_scores(potentials, labelings).argmax(axis=1)]


def all_scores(potentials: Potentials, labelings: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score of every labeling for every input, float64 `[B, S]`."""
    batch, count, states = potentials.unary.shape
    scores = np.zeros((batch, len(labelings)))
    for label in range(count):
        scores += potentials.unary[:, label, labelings[:, label]]
    for index, (first, second) in enumerate(potentials.edges):
        cell = labelings[:, first] * states + labelings[:, second]
        scores += potentials.pair.reshape(*potentials.pair.shape[:-2], -1)[..., index, :][..., cell]
    return scores
