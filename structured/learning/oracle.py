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

    Only edges of weight other than 0 count. Where they form a forest, and where there are at most 4,096
    labelings, the answer is exact; else it is that of the LP relaxation, by roof duality where all labels have
    two states and otherwise bounded by message passing.

    Args:
        problem: rows, truth and label space.
    """

    def __init__(self, problem: LabelingProblem) -> None:
        self.problem = problem
        states = problem.space.states
        self._enumerable = float(np.prod(states.astype(float))) <= MOST_ENUMERATED
        self._labelings = enumerate_states(states) if self._enumerable else np.zeros((0, len(states)), np.int64)
        self._plan = self._planned(np.zeros(len(problem.edges), bool))

    def kind(self, weights: Weights) -> OracleKind:
        """How violators are found under these weights."""
        used = weights.group_norms() > 0
        if (used != self._plan.used).any():
            self._plan = self._planned(used)
        return self._plan.kind

    def __call__(self, weights: Weights, rows: NDArray[np.int64]) -> Violators:
        """The rows' violators under these weights."""
        kind, plan = self.kind(weights), self._plan
        full = self.problem.augmented(weights, rows)
        potentials = Potentials(full.unary, plan.edges, full.pair[..., plan.used, :, :])
        if kind == "forest":
            return self._exact(potentials, max_product(potentials, plan.forest), rows)
        if kind == "enumeration":
            return self._exact(potentials, best_by_enumeration(potentials, self._labelings), rows)
        if kind == "roof_duality":
            relaxed, bound = roof_duality(potentials)
        else:
            dual = dual_bound(potentials)
            relaxed, bound = dual.relaxed, dual.bound
        return self._relaxed(relaxed, bound, rows)

    def _planned(self, used: NDArray[np.bool_]) -> _Plan:
        edges, states = self.problem.edges[used], self.problem.space.states
        if circuit_rank(edges, len(states)) == 0:
            return _Plan(used, edges, "forest", RootedForest.from_edges(edges, len(states)))
        if self._enumerable:
            return _Plan(used, edges, "enumeration", None)
        return _Plan(used, edges, "roof_duality" if (states == 2).all() else "dual_bound", None)

    def _exact(self, potentials: Potentials, labels: NDArray[np.int64], rows: NDArray[np.int64]) -> Violators:
        problem = self.problem
        unary = problem.space.coordinates(labels)
        wrong = (labels != problem.labels[rows]) & problem.known[rows]
        loss = wrong.sum(axis=1).astype(float)
        return Violators(unary, problem.pair_coordinates(unary), loss, potentials.score(labels))

    def _relaxed(self, relaxed: RelaxedLabeling, bound: NDArray[np.float64], rows: NDArray[np.int64]) -> Violators:
        problem, plan = self.problem, self._plan
        unary = np.einsum("bnk,nkq->bnq", relaxed.unary, problem.space.basis)
        # Edges of weight 0 are free: their marginals are the product, which agrees with the labels'.
        pair = problem.pair_coordinates(unary)
        first, second = problem.space.basis[plan.edges[:, 0]], problem.space.basis[plan.edges[:, 1]]
        joint = np.einsum("bekl,ekp,elq->bepq", relaxed.pair, first, second, optimize=True)
        pair[:, plan.used] = joint.reshape(len(rows), len(plan.edges), problem.space.width**2)
        right = np.take_along_axis(relaxed.unary, problem.labels[rows][:, :, None], axis=2)[..., 0]
        return Violators(unary, pair, ((1 - right) * problem.known[rows]).sum(axis=1), bound)


@dataclass(frozen=True)
class _Plan:
    """The method for one set of edges in use."""

    used: NDArray[np.bool_]
    edges: NDArray[np.int64]
    kind: OracleKind
    forest: RootedForest | None
