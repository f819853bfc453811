"""The temperature of a learned forest, from rows its weights were not trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from structured.graphs import circuit_rank
from structured.inference.potentials import Potentials
from structured.learning.design_matrix import DesignMatrix
from structured.learning.problem import LabelingProblem
from structured.learning.settings import LearningSettings
from structured.learning.solving import solve_structured_svm
from structured.temperature import fit_temperature


def held_out_temperature(problem: LabelingProblem, settings: LearningSettings, folds: int) -> float:
    """Train the forest's weights on the rest of each fold, and fit the temperature to all held-out scores.

    Returns:
        The temperature; NaN with fewer than two folds, with fewer rows than folds, or for a graph with circles.
    """
    rows = len(problem)
    if folds < 2 or rows < folds or circuit_rank(problem.edges, problem.labels.shape[1]):
        return float("nan")
    fold = np.random.default_rng(settings.seed).permutation(rows) % folds
    unary, pair = np.zeros((*problem.labels.shape, problem.space.basis.shape[1])), []
    order = []
    for index in range(folds):
        held = np.flatnonzero(fold == index)
        weights = solve_structured_svm(_part(problem, np.flatnonzero(fold != index)), settings).weights
        found = problem.potentials(weights, held)
        unary[held] = found.unary
        pair.append(np.broadcast_to(found.pair, (len(held), *found.pair.shape[-3:])))
        order.append(held)
    tables = np.concatenate(pair)[np.argsort(np.concatenate(order))]
    return fit_temperature(Potentials(unary, problem.edges, tables), problem.labels, problem.known)


def _part(problem: LabelingProblem, rows: NDArray[np.int64]) -> LabelingProblem:
    return replace(
        problem,
        design=DesignMatrix(problem.design.values[rows], problem.design.squared_norms[rows]),
        labels=problem.labels[rows],
        known=problem.known[rows],
        pair_features=problem.pair_features[rows],
    )
