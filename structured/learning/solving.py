"""Training with a fixed set of edges."""

from __future__ import annotations

import numpy as np

from structured.learning.frank_wolfe import FrankWolfe, Solution
from structured.learning.oracle import Oracle
from structured.learning.problem import LabelingProblem
from structured.learning.regulariser import Regulariser
from structured.learning.settings import LearningSettings

# Heavier than any dual moment: presses every pair weight to exactly 0.
NO_PAIRS = 1e30
# How far independent labels are solved before pair weights join; any further is lost effort.
START_TOLERANCE = 0.1


def solve_structured_svm(
    problem: LabelingProblem, settings: LearningSettings, state: FrankWolfe | None = None
) -> Solution:
    """Train a structural SVM over all edges of the problem, starting from independent labels.

    Args:
        problem: rows, labels and edges.
        settings: of the solver.
        state: a dual state to start from, left at the solution; None: a new one.
    """
    dual = FrankWolfe(problem, np.random.default_rng(settings.seed)) if state is None else state
    oracle, nothing = Oracle(problem), problem.no_weights()
    if len(problem.edges):
        alone = Regulariser(settings.ridge, NO_PAIRS, np.zeros_like(nothing.pair))
        dual.solve(oracle, alone, settings.max_iter, START_TOLERANCE)
    return dual.solve(oracle, Regulariser.ridge_only(settings.ridge, nothing), settings.max_iter, settings.tol)
