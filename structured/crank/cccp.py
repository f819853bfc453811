"""CRANK: learn a full pairwise model, then press its edges into a forest, by the convex-concave procedure.

Meshi, Eban, Elidan and Globerson, "Learning Max-Margin Tree Predictors" (UAI 2013). The objective is
`J(w) = H(w) + (lambda / 2) ||w||^2 + beta R(w)` with `R(w) = sum_ij ||w_ij|| - max_T sum_(ij in T) ||w_ij||`, convex
minus convex. The inner solver and the path of beta are ours (docs/labeller.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import TrainingError
from structured.graphs import circuit_rank, maximum_spanning_forest
from structured.learning.frank_wolfe import FrankWolfe
from structured.learning.objective import crank_penalty, structured_hinge
from structured.learning.oracle import Oracle
from structured.learning.problem import LabelingProblem
from structured.learning.regulariser import Regulariser
from structured.learning.settings import LearningSettings
from structured.learning.solving import solve_structured_svm
from structured.learning.weights import Weights


@dataclass(frozen=True)
class CrankSettings:
    """The path of beta, the weight of the circuit-rank regulariser.

    Attributes:
        rank_weight: the greatest beta; None: until the edges form a forest.
        growth: factor from one beta to the next, > 1.
        rounds: most rounds of the convex-concave procedure a beta.
        round_tolerance: a beta is done when a round lowers J by less than this share.
        warm_start: whether the full model comes first. From weights of 0 every direction of the linearised part
            is 0, and the first round is a plain group lasso, which may press out all edges for good.

    Raises:
        TrainingError: a value is out of range.
    """

    rank_weight: float | None = None
    growth: float = 2.0
    rounds: int = 50
    round_tolerance: float = 1e-3
    warm_start: bool = True

    def __post_init__(self) -> None:
        if self.rank_weight is not None and not 0 <= self.rank_weight < np.inf:
            raise TrainingError(
                f"rank_weight is {self.rank_weight}; give a number from 0, or None to raise it as needed"
            )
        if not 1 < self.growth < np.inf:
            raise TrainingError(f"growth is {self.growth}; give a factor above 1")
        if self.rounds < 1:
            raise TrainingError(f"rounds is {self.rounds}; give at least 1")


@dataclass(frozen=True)
class CrankRound:
    """One round: what was weighed, and what came out.

    Attributes:
        rank_weight: beta.
        objective: J at the round's weights, by an upper bound of H where inference is relaxed.
        penalty: R at them.
        edges: how many edges have weight.
        circuit_rank: of these.
        gap: of the convex problem, an upper bound on what solving it better could win.
        tree_kept: whether the spanning tree is the round's before.
    """

    rank_weight: float
    objective: float
    penalty: float
    edges: int
    circuit_rank: int
    gap: float
    tree_kept: bool


@dataclass(frozen=True)
class CrankFit:
    """The result before refitting.

    Attributes:
        weights: over all edges of the problem.
        tree: int64, ascending: edges of the last maximum spanning tree that have weight.
        history: a row a round; the first is the full model.
    """

    weights: Weights
    tree: NDArray[np.int64]
    history: tuple[CrankRound, ...]


def fit_crank(
    problem: LabelingProblem, settings: LearningSettings, path: CrankSettings, state: FrankWolfe | None = None
) -> CrankFit:
    """Train the full model, then raise beta until the edges with weight form a forest.

    Each round takes the maximum spanning tree under the norms `||w_ij||`, linearises its part of R at the
    weights and solves the convex rest; J never rises within one beta, for a round that would raise it is undone.

    Args:
        problem: over all edges that may be learned.
        settings: of the convex problems.
        path: of beta.
        state: a dual state to start from; None: a new one, which starts from independent labels.
    """
    rng = np.random.default_rng(settings.seed)
    dual = FrankWolfe(problem, rng) if state is None else state
    oracle, labels, edges = Oracle(problem), problem.labels.shape[1], problem.edges
    if path.warm_start:
        full = solve_structured_svm(problem, settings, dual)
        weights, hinge, objective, gap = full.weights, full.hinge, full.primal, full.gap
    else:
        weights = problem.no_weights()
        hinge = objective = gap = structured_hinge(oracle, weights)
    tree = maximum_spanning_forest(edges, weights.group_norms(), labels)
    history = [_row(problem, weights, 0.0, objective, gap, True)]
    for beta in _path(weights, tree, settings, path):
        # The weights stay, beta rises, and with it what they cost.
        objective = history[-1].objective + (beta - history[-1].rank_weight) * history[-1].penalty
        for _ in range(path.rounds):
            regulariser = Regulariser(settings.ridge, beta, tree_directions(weights, tree))
            found = dual.solve(oracle, regulariser, settings.max_iter, settings.tol, (weights, hinge))
            change = found.weights
            norms = change.group_norms()
            following = maximum_spanning_forest(edges, norms, labels, np.isin(np.arange(len(edges)), tree))
            hinge = found.hinge
            now = hinge + 0.5 * settings.ridge * change.squared_norm() + beta * crank_penalty(change, labels, edges)
            kept = bool(np.array_equal(following, tree))
            weights, tree = change, following
            history.append(_row(problem, weights, beta, now, found.gap, kept))
            if objective - now < path.round_tolerance * abs(objective):
                break
            objective = now
        if history[-1].circuit_rank == 0:
            break
    return CrankFit(weights, tree[weights.group_norms()[tree] > 0], tuple(history))


def _path(
    weights: Weights, tree: NDArray[np.int64], settings: LearningSettings, path: CrankSettings
) -> Iterator[float]:
    """The values of beta: from one that presses out the lightest quarter of the edges off the tree.

    At the full model's solution an edge's dual moment has the norm `lambda ||w_ij||`, and beta is what it loses.
    """
    off_tree = np.delete(weights.group_norms(), tree)
    off_tree = off_tree[off_tree > 0]
    most = np.inf if path.rank_weight is None else path.rank_weight
    if not len(off_tree):
        # Nothing to press out: a forest already, or a cold start, which needs its weight given.
        if not path.warm_start and np.isfinite(most):
            yield most
        return
    beta = settings.ridge * float(np.quantile(off_tree, 0.25))
    while beta < most:
        yield beta
        beta *= path.growth
    if most > 0:
        yield most


def tree_directions(weights: Weights, tree: NDArray[np.int64]) -> NDArray[np.float64]:
    """`v`: on the tree `w_ij / ||w_ij||`, a subgradient of the concave part's negative; 0 elsewhere and at norm 0."""
    direction = np.zeros_like(weights.pair)
    norms = weights.group_norms()[tree]
    direction[:, tree] = weights.pair[:, tree] / np.where(norms > 0, norms, 1)[:, None]
    return direction


def _row(
    problem: LabelingProblem, weights: Weights, beta: float, objective: float, gap: float, tree_kept: bool
) -> CrankRound:
    labels, norms = problem.labels.shape[1], weights.group_norms()
    penalty = crank_penalty(weights, labels, problem.edges)
    used = problem.edges[norms > 0]
    return CrankRound(beta, objective, penalty, len(used), circuit_rank(used, labels), gap, tree_kept)
