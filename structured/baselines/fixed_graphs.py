"""Structural SVMs over edges that no regulariser chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from structured.baselines.chow_liu import chow_liu_edges
from structured.classifier import Learned, PairwiseClassifier, trained_over
from structured.graphs import checked_edges, complete_edges, maximum_spanning_forest
from structured.learning.problem import LabelingProblem
from structured.learning.settings import LearningSettings
from structured.learning.solving import solve_structured_svm


class IndependentLabels(PairwiseClassifier):
    """No edges: a linear max-margin classifier a label. Arguments and attributes as in `PairwiseClassifier`."""

    def _learn(self, problem: LabelingProblem, settings: LearningSettings) -> Learned:
        return trained_over(problem, problem.edges, settings)


class FullGraph(PairwiseClassifier):
    """Every pair of labels. Prediction is exact up to 4,096 labelings, and relaxed above.

    Arguments and attributes as in `PairwiseClassifier`.
    """

    def _learn(self, problem: LabelingProblem, settings: LearningSettings) -> Learned:
        return trained_over(problem, complete_edges(problem.labels.shape[1]), settings)


class ChowLiuTree(PairwiseClassifier):
    """The tree of greatest mutual information between labels, which looks at no feature.

    Arguments and attributes as in `PairwiseClassifier`.
    """

    def _learn(self, problem: LabelingProblem, settings: LearningSettings) -> Learned:
        return trained_over(problem, chow_liu_edges(problem.labels, problem.known, problem.space.states), settings)


class PrunedTree(PairwiseClassifier):
    """The maximum spanning tree of the full model's edges by norm, then trained again.

    Arguments and attributes as in `PairwiseClassifier`.
    """

    def _learn(self, problem: LabelingProblem, settings: LearningSettings) -> Learned:
        every = replace(problem, edges=complete_edges(problem.labels.shape[1]))
        norms = solve_structured_svm(every, settings).weights.group_norms()
        chosen = maximum_spanning_forest(every.edges, norms, problem.labels.shape[1])
        return trained_over(problem, every.edges[chosen], settings)


class GivenGraph(PairwiseClassifier):
    """Edges that the user names.

    Args:
        edges: pairs of labels `[E, 2]`; any graph.
        ridge, pair_features, max_iter, tol, random_state, calibration_folds: as in `PairwiseClassifier`.
    """

    def __init__(
        self,
        edges: ArrayLike = (),
        ridge: float = 1e-3,
        pair_features: Sequence[int] | Literal["all"] | None = None,
        max_iter: int = 100,
        tol: float = 0.01,
        random_state: int | np.random.RandomState | None = 0,
        calibration_folds: int = 3,
    ) -> None:
        super().__init__(ridge, pair_features, max_iter, tol, random_state, calibration_folds)
        self.edges = edges

    def _learn(self, problem: LabelingProblem, settings: LearningSettings) -> Learned:
        return trained_over(problem, checked_edges(self.edges, problem.labels.shape[1]), settings)
