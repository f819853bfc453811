"""Proximal stochastic subgradient steps on the primal: the solver to compare Frank-Wolfe with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structured.learning.objective import structured_hinge
from structured.learning.oracle import Oracle
from structured.learning.problem import LabelingProblem
from structured.learning.regulariser import Regulariser
from structured.learning.weights import Weights


@dataclass(frozen=True)
class Descent:
    """Where the steps ended.

    Attributes:
        weights: the best weights seen.
        objective: hinge plus regulariser of the best weights so far, at first and after each pass; never rises.
    """

    weights: Weights
    objective: tuple[float, ...]


def proximal_subgradient(
    problem: LabelingProblem,
    regulariser: Regulariser,
    passes: int,
    rng: np.random.Generator,
    batch_size: int = 32,
    start: Weights | None = None,
) -> Descent:
    """Minimise the structured hinge plus a regulariser from `start`, or from 0.

    A step goes down the subgradient of hinge and ridge over a batch, by `eta = min(1, 1 / (lambda (t + t0)))`, and
    then the closed-form proximal step of the pairwise part, which makes exact zeros. `t0` is one pass.

    Args:
        problem: rows, labels and edges.
        regulariser: ridge and pairwise part.
        passes: over the rows.
        rng: order of the rows.
        batch_size: rows a step.
        start: weights to start from.
    """
    oracle, weights = Oracle(problem), problem.no_weights() if start is None else start
    ridge, first = regulariser.ridge, max(1, len(problem) // batch_size)
    objective = [structured_hinge(oracle, weights) + regulariser.value(weights)]
    best, step = weights, 0
    for _ in range(passes):
        order = rng.permutation(len(problem))
        for rows in np.array_split(order, -(-len(order) // batch_size)):
            step += 1
            eta = min(1.0, 1 / (ridge * (step + first)))
            slope = _subgradient(problem, oracle, weights, rows)
            unary = (1 - eta * ridge) * weights.unary - eta * slope.unary
            pair = (1 - eta * ridge) * weights.pair - eta * slope.pair
            weights = Weights(unary, regulariser.prox(pair, eta))
        now = structured_hinge(oracle, weights) + regulariser.value(weights)
        best = weights if now < objective[-1] else best
        objective.append(min(now, objective[-1]))
    return Descent(best, tuple(objective))


def _subgradient(problem: LabelingProblem, oracle: Oracle, weights: Weights, rows: np.ndarray) -> Weights:
    """Mean over the rows of violator's minus truth's features."""
    found = oracle(weights, rows)
    truth = problem.space.coordinates(problem.labels[rows])
    unary = (found.unary - truth).reshape(len(rows), -1)
    pair = found.pair - problem.pair_coordinates(truth)
    by_feature = np.asarray(problem.design.values[rows].T @ unary) / len(rows)
    scaled = np.einsum("bf,ber->fer", problem.pair_features[rows], pair) / len(rows)
    return Weights(by_feature.reshape(weights.unary.shape), scaled)
