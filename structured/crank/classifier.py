"""The CRANK classifier: labels over a learned tree, predicted in linear time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import TrainingError
from structured.baselines.chow_liu import mutual_information
from structured.classifier import Learned, PairwiseClassifier, trained_over
from structured.crank.cccp import CrankSettings, fit_crank
from structured.graphs import complete_edges, maximum_spanning_forest
from structured.learning.objective import structured_hinge
from structured.learning.oracle import Oracle
from structured.learning.problem import LabelingProblem
from structured.learning.settings import LearningSettings
from structured.learning.weights import Weights


class CRANKClassifier(PairwiseClassifier):
    """Max-margin labels over a learned forest (Meshi, Eban, Elidan and Globerson, UAI 2013).

    Training starts from the full pairwise model and presses its edges into a forest by the circuit-rank
    regulariser; prediction over the forest is exact and linear in the number of labels.

    >>> labeller = CRANKClassifier(ridge=1e-3).fit(X, Y)  # doctest: +SKIP
    >>> labeller.predict(X), labeller.edges_  # doctest: +SKIP

    Attributes after `fit`: those of `PairwiseClassifier`; `history_` has a row a round of the convex-concave
    procedure (`CrankRound`).

    Args:
        ridge, pair_features, max_iter, tol, random_state, calibration_folds: as in `PairwiseClassifier`.
        rank_weight: beta, the weight of the circuit-rank regulariser; None: raised until a forest is left.
        growth: factor from one beta to the next, > 1.
        rounds: most rounds of the convex-concave procedure a beta.
        candidates: how many pairs of labels training starts from, those of greatest mutual information (a Chow-Liu
            tree always among them); None: all. For hundreds of labels, where all pairs are too many to train.
        refit: whether the weights of the forest's edges are trained again without the regulariser; if not,
            those of the last round are kept.
    """

    def __init__(
        self,
        ridge: float = 1e-3,
        pair_features: Sequence[int] | Literal["all"] | None = None,
        max_iter: int = 100,
        tol: float = 0.01,
        random_state: int | np.random.RandomState | None = 0,
        calibration_folds: int = 3,
        rank_weight: float | None = None,
        growth: float = 2.0,
        rounds: int = 50,
        candidates: int | None = None,
        refit: bool = True,
    ) -> None:
        super().__init__(ridge, pair_features, max_iter, tol, random_state, calibration_folds)
        self.rank_weight = rank_weight
        self.growth = growth
        self.rounds = rounds
        self.candidates = candidates
        self.refit = refit

    def _learn(self, problem: LabelingProblem, settings: LearningSettings) -> Learned:
        path = CrankSettings(self.rank_weight, self.growth, self.rounds)
        every = replace(problem, edges=self._candidate_edges(problem))
        fit = fit_crank(every, settings, path)
        history = tuple(asdict(row) for row in fit.history)
        edges = every.edges[fit.tree]
        if self.refit:
            return replace(trained_over(problem, edges, settings), history=history)
        weights = Weights(fit.weights.unary, fit.weights.pair[:, fit.tree])
        forest = replace(problem, edges=edges)
        objective = structured_hinge(Oracle(forest), weights) + 0.5 * settings.ridge * weights.squared_norm()
        return Learned(weights, edges, objective, history)

    def _candidate_edges(self, problem: LabelingProblem) -> NDArray[np.int64]:
        labels = problem.labels.shape[1]
        every = complete_edges(labels)
        if self.candidates is None or self.candidates >= len(every):
            return every
        if self.candidates < labels - 1:
            raise TrainingError(
                f"candidates is {self.candidates}; a tree over {labels} labels needs {labels - 1}, or give None"
            )
        information = mutual_information(problem.labels, problem.known, problem.space.states)
        tree = maximum_spanning_forest(every, information, labels)
        information[tree] = np.inf
        return every[np.sort(np.argsort(-information, kind="stable")[: self.candidates])]
