"""Loss-augmented inference: the labeling, or the point of the relaxation, that violates the margin most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structured.graphs import RootedForest, circuit_rank
from structured.inference.dual_bound import dual_bound
from structured.inference.enumeration import best_by_enumeration, enumerate_states
from structured.inference.local_polytope import RelaxedLabeling
from structured.inference.max_product import max_product
from structured.inference.potentials import Potentials
from structured.inference.roof_duality import roof_duality
from structured.learning.problem import LabelingProblem
from structured.learning.weights import Weights

OracleKind = Literal["forest", "enumeration", "roof_duality", "dual_bound"]
MOST_ENUMERATED = 4096


@dataclass(frozen=True)
class Violators:
    """What the oracle finds for some rows, in the coordinates of the label space.

    Attributes:
        unary: float64 `[B, n, K - 1]`, expected coordinates of the labels.
        pair: float64 `[B, E, (K - 1)^2]`, expected products of coordinates.
        loss: float64 `[B]`, expected number of wrong labels.
        bound: float64 `[B]`, at least the best augmented score; equal to it where the oracle is exact.
    """

    unary: NDArray[np.float64]
    pair: NDArray[np.float64]
    loss: NDArray[np.float64]
    bound: NDArray[np.float64]


class Oracle:
    """Finds violators by the cheapest method that never under-generates, so that the hinge stays an upper bound.

    Forests are solved exactly, and so is any graph with at most 4,096 labelings; else the LP relaxation is, by
    roof duality where all labels have two states, and otherwise bounded by message passing.

    Args:
        problem: rows, truth and label space.
        edges: bool `[E]`, the edges in use; the others have weight 0. None: all.
    """

    def __init__(self, problem: LabelingProblem, edges: NDArray[np.bool_] | None = None) -> None:
        self.problem = problem
        self.used = np.ones(len(problem.edges), bool) if edges is None else edges
        used, states = problem.edges[self.used], problem.space.states
        labelings = float(np.prod(states.astype(float)))
        self.kind: OracleKind
        if circuit_rank(used, len(states)) == 0:
            self.kind = "forest"
            self._forest = RootedForest.from_edges(used, len(states))
        elif labelings <= MOST_ENUMERATED:
            self.kind = "enumeration"
            self._labelings = enumerate_states(states)
        else:
            self.kind = "roof_duality" if (states == 2).all() else "dual_bound"

    def __call__(self, weights: Weights, rows: NDArray[np.int64]) -> Violators:
        """The rows' violators under these weights."""
        full = self.problem.augmented(weights, rows)
        pair = full.pair[..., self.used, :, :]
        potentials = Potentials(full.unary, full.edges[self.used], pair)
        if self.kind in ("forest", "enumeration"):
            labels = self._exact(potentials)
            unary = self.problem.space.coordinates(labels)
            wrong = (labels != self.problem.labels[rows]) & self.problem.known[rows]
            return Violators(
                unary, self.problem.pair_coordinates(unary), wrong.sum(axis=1).astype(float), potentials.score(labels)
            )
        if self.kind == "roof_duality":
            relaxed, bound = roof_duality(potentials)
        else:
            dual = dual_bound(potentials)
            relaxed, bound = dual.relaxed, dual.bound
        return self._relaxed(relaxed, bound, rows)

    def _exact(self, potentials: Potentials) -> NDArray[np.int64]:
        if self.kind == "forest":
            return max_product(potentials, self._forest)
        return best_by_enumeration(potentials, self._labelings)

    def _relaxed(
        self, relaxed: RelaxedLabeling, bound: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> Violators:
        problem = self.problem
        unary = np.einsum("bnk,nkq->bnq", relaxed.unary, problem.space.basis)
        pair = problem.pair_coordinates(unary)
        used = problem.edges[self.used]
        first, second = problem.space.basis[used[:, 0]], problem.space.basis[used[:, 1]]
        joint = np.einsum("bekl,ekp,elq->bepq", relaxed.pair, first, second, optimize=True)
        pair[:, self.used] = joint.reshape(len(rows), len(used), problem.space.width**2)
        right = np.take_along_axis(relaxed.unary, problem.labels[rows][:, :, None], axis=2)[..., 0]
        return Violators(unary, pair, ((1 - right) * problem.known[rows]).sum(axis=1), bound)
