"""The best labeling that can be found: exact on forests and small graphs, by relaxation and local search on others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structured.graphs import circuit_rank
from structured.inference.dual_bound import dual_bound
from structured.inference.enumeration import best_by_enumeration, enumerate_states
from structured.inference.max_product import max_product
from structured.inference.potentials import Potentials
from structured.inference.roof_duality import roof_duality

MOST_ENUMERATED = 4096
SEARCH_SWEEPS = 50


def best_labels(potentials: Potentials) -> NDArray[np.int64]:
    """Label each input, int64 `[B, n]`.

    Exact where the edges form a forest and where there are at most 4,096 labelings. Otherwise the LP relaxation
    is solved; labels it leaves undecided are chosen by coordinate search, which finds the best labeling where the
    relaxation is tight and a good one elsewhere.
    """
    _, count, _ = potentials.unary.shape
    if circuit_rank(potentials.edges, count) == 0:
        return max_product(potentials)
    states = np.isfinite(potentials.unary).any(axis=0).sum(axis=1)
    if np.prod(states.astype(float)) <= MOST_ENUMERATED:
        return best_by_enumeration(potentials, enumerate_states(states))
    if (states == 2).all() and potentials.unary.shape[2] == 2:
        relaxed, _ = roof_duality(potentials)
        return searched(potentials, relaxed.unary.argmax(axis=2))
    return searched(potentials, dual_bound(potentials).labels)


def searched(potentials: Potentials, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Change one label after the other to its best state given the rest, until none changes; never lowers a score."""
    found = labels.copy()
    pair = potentials.pair if potentials.pair.ndim == 4 else potentials.pair[None]
    rows = np.arange(len(found))
    table_rows = rows if len(pair) == len(found) else np.zeros_like(rows)
    around = [np.flatnonzero((potentials.edges == label).any(axis=1)) for label in range(found.shape[1])]
    for _ in range(SEARCH_SWEEPS):
        before = found.copy()
        for label, edges in enumerate(around):
            scores = potentials.unary[:, label].copy()
            for edge in edges:
                first, second = potentials.edges[edge]
                if first == label:
                    scores += pair[table_rows, edge, :, found[:, second]]
                else:
                    scores += pair[table_rows, edge, found[:, first]]
            current = scores[rows, found[:, label]]
            found[:, label] = np.where(scores.max(axis=1) > current, scores.argmax(axis=1), found[:, label])
        if (found == before).all():
            break
    return found
