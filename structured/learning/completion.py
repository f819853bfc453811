"""States for labels that are unknown in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from structured.inference.decode import best_labels
from structured.inference.potentials import Potentials
from structured.learning.design_matrix import DesignMatrix
from structured.learning.label_space import LabelSpace
from structured.learning.problem import LabelingProblem
from structured.learning.settings import LearningSettings
from structured.learning.solving import solve_structured_svm
from structured.learning.weights import Weights


def completed_alone(problem: LabelingProblem, settings: LearningSettings) -> LabelingProblem:
    """Fill unknown labels, each by a model of its own, trained on the rows where it is known."""
    labels = problem.labels.copy()
    for label in np.flatnonzero(~problem.known.all(axis=0)):
        known = np.flatnonzero(problem.known[:, label])
        unknown = np.flatnonzero(~problem.known[:, label])
        alone = _one_label(problem, int(label), known)
        weights = solve_structured_svm(alone, settings).weights
        labels[unknown, label] = best_labels(
            _one_label(problem, int(label), unknown).potentials(weights, np.arange(len(unknown)))
        )[:, 0]
    return replace(problem, labels=labels)


def completed_jointly(problem: LabelingProblem, weights: Weights) -> LabelingProblem:
    """Fill unknown labels by the best labeling that agrees with the known ones.

    Taking turns with training, this is the convex-concave procedure of a structural SVM with hidden labels.
    """
    rows = np.flatnonzero(~problem.known.all(axis=1))
    plain = problem.potentials(weights, rows)
    other = np.arange(plain.unary.shape[2]) != problem.labels[rows][:, :, None]
    unary = np.where(other & problem.known[rows][:, :, None], -np.inf, plain.unary)
    used = weights.group_norms() > 0
    labels = problem.labels.copy()
    labels[rows] = best_labels(Potentials(unary, plain.edges[used], plain.pair[..., used, :, :]))
    return replace(problem, labels=labels)


def _one_label(problem: LabelingProblem, label: int, rows: NDArray[np.int64]) -> LabelingProblem:
    space = problem.space
    return LabelingProblem(
        DesignMatrix(problem.design.values[rows], problem.design.squared_norms[rows]),
        problem.labels[rows, label][:, None],
        np.ones((len(rows), 1), bool),
        LabelSpace(space.states[[label]], space.basis[[label]], space.offset[[label]]),
        np.zeros((0, 2), np.int64),
        np.ones((len(rows), 1)),
    )
