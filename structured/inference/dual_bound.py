"""An upper bound on the best score of any graph, by block coordinate descent on the LP relaxation's dual.

Globerson and Jaakkola, "Fixing max-product: convergent message passing algorithms for MAP LP-relaxations" (NIPS
2007): their edge updates, here of all edges of a matching at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.graphs import edge_matchings
from structured.inference.local_polytope import RelaxedLabeling, best_relaxed, rounded
from structured.inference.potentials import Potentials

SWEEPS_BETWEEN_CHECKS = 5


@dataclass(frozen=True)
class DualBound:
    """What the relaxation says about each input.

    Attributes:
        bound: float64 `[B]`: at least the value of the relaxation, which is at least the best score.
        relaxed: a point of the local polytope whose value is at most the relaxation's; equal to `bound` up to
            the tolerance where solved.
        labels: int64 `[B, n]`, the best labeling found; its score is at most the best one.
    """

    bound: NDArray[np.float64]
    relaxed: RelaxedLabeling
    labels: NDArray[np.int64]


def dual_bound(potentials: Potentials, sweeps: int = 200, tolerance: float = 1e-6) -> DualBound:
    """Bound the best score from above, and find a point of the relaxation near the bound.

    Args:
        potentials: of `B` inputs; any graph.
        sweeps: most passes over all edges.
        tolerance: an input is done when its bound is within this share of its value's size (at least 1).
    """
    batch, count, states = potentials.unary.shape
    bound = np.full(batch, np.inf)
    relaxed = RelaxedLabeling.empty(batch, count, len(potentials.edges), states)
    labels = np.zeros((batch, count), np.int64)
    open_rows = np.arange(batch)
    messages = _Messages(potentials)
    for sweep in range(sweeps + 1):
        if sweep:
            messages.sweep()
        if sweep % SWEEPS_BETWEEN_CHECKS and sweep < sweeps:
            continue
        part = potentials.take(open_rows)
        beliefs = messages.beliefs.transpose(2, 0, 1)
        relaxed.keep_better(open_rows, best_relaxed(part, beliefs))
        labels[open_rows] = rounded(part, beliefs, labels[open_rows])
        bound[open_rows] = np.minimum(bound[open_rows], messages.bound())
        gap = bound[open_rows] - relaxed.value[open_rows]
        waiting = gap > tolerance * np.maximum(1, np.abs(relaxed.value[open_rows]))
        if not waiting.any():
            break
        if waiting.mean() < 0.7:
            open_rows = open_rows[waiting]
            messages.keep(waiting)
    return DualBound(bound, relaxed, labels)


class _Messages:
    """The dual point: messages `[E, 2 (to y_i, to y_j), K, B]` and what they leave in the unary scores `[n, K, B]`.

    The batch lies last, so that every step runs over contiguous memory.
    """

    def __init__(self, potentials: Potentials) -> None:
        batch, count, states = potentials.unary.shape
        pair = potentials.pair if potentials.pair.ndim == 4 else potentials.pair[None]
        self.edges = potentials.edges
        self.beliefs = potentials.unary.transpose(1, 2, 0).copy()
        self.pair = np.ascontiguousarray(pair.transpose(1, 2, 3, 0))
        self.messages = np.zeros((len(self.edges), 2, states, batch))
        self.matchings = edge_matchings(self.edges, count)

    def sweep(self) -> None:
        """One update of every edge: both its messages are set so that its two labels share what it offers."""
        for matching in self.matchings:
            first, second = self.edges[matching].T
            table = self.pair[matching]
            from_rest = self.beliefs[first] - self.messages[matching, 0]
            from_rest_second = self.beliefs[second] - self.messages[matching, 1]
            offered = (table + from_rest_second[:, None]).max(axis=2)
            offered_second = (table + from_rest[:, :, None]).max(axis=1)
            self.messages[matching, 0] = 0.5 * (offered - from_rest)
            self.messages[matching, 1] = 0.5 * (offered_second - from_rest_second)
            self.beliefs[first] = 0.5 * (from_rest + offered)
            self.beliefs[second] = 0.5 * (from_rest_second + offered_second)

    def bound(self) -> NDArray[np.float64]:
        """The dual's value, `[B]`: every label and every edge takes its best by itself."""
        total = self.beliefs.max(axis=1).sum(axis=0)
        left = self.pair - self.messages[:, 0, :, None] - self.messages[:, 1, None]
        return np.asarray(total + left.max(axis=(1, 2)).sum(axis=0))

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Drop the inputs that are done."""
        self.beliefs, self.messages = self.beliefs[..., rows], self.messages[..., rows]
        if self.pair.shape[-1] > 1:
            self.pair = self.pair[..., rows]
