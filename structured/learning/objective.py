"""The structured hinge and the CRANK objective."""

from __future__ import annotations

import numpy as np

from structured.graphs import maximum_spanning_forest
from structured.learning.oracle import Oracle
from structured.learning.weights import Weights

ROWS_AT_ONCE = 1024


def structured_hinge(oracle: Oracle, weights: Weights) -> float:
    """`H(w) = mean_m max_y [score(x_m, y) + Delta(y, y_m)] - score(x_m, y_m)`, Delta a count of labels.

    An upper bound of it where the oracle relaxes; at least the mean count of wrong training labels either way.
    """
    problem = oracle.problem
    total = 0.0
    for start in range(0, len(problem), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(problem)))
        truth = problem.potentials(weights, rows).score(problem.labels[rows])
        total += float((oracle(weights, rows).bound - truth).sum())
    return total / len(problem)


def crank_penalty(weights: Weights, labels: int, edges: np.ndarray) -> float:
    """`R(w) = sum_ij ||w_ij|| - max_T sum_(ij in T) ||w_ij||`: the norm outside of the best spanning tree.

    It is 0 if and only if the edges with weight form a forest.
    """
    norms = weights.group_norms()
    outside = np.ones(len(edges), bool)
    outside[maximum_spanning_forest(edges, norms, labels)] = False
    return float(norms[outside].sum())
