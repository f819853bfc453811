"""Many random spanning trees that vote.

After Marchand, Su, Morvant, Rousu and Shawe-Taylor, "Multilabel structured output learning with random spanning
trees of max-margin Markov networks" (NeurIPS 2014), and Su and Rousu, "Multilabel classification through random graph
ensembles" (2015), whose average of max-marginals this is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from seriatim_errors import TrainingError
from structured.baselines.fixed_graphs import GivenGraph
from structured.baselines.multi_label import MultiLabelEnsemble
from structured.graphs import complete_edges, maximum_spanning_forest
from structured.inference import max_marginals
from structured.learning.label_coding import checked_labels


class RandomTreeEnsemble(MultiLabelEnsemble):
    """Structural SVMs over random spanning trees; each label takes the state of the highest mean max-marginal.

    Args:
        ridge, pair_features, max_iter, tol: as in `PairwiseClassifier`.
        n_estimators: how many.
        random_state: fixes the trees and the fits.
    """

    def __init__(
        self,
        ridge: float = 1e-3,
        pair_features: Sequence[int] | Literal["all"] | None = None,
        max_iter: int = 100,
        tol: float = 0.01,
        random_state: int = 0,
        n_estimators: int = 10,
    ) -> None:
        self.ridge = ridge
        self.pair_features = pair_features
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_estimators = n_estimators

    def fit(self, X: Any, Y: ArrayLike) -> RandomTreeEnsemble:
        """Learn from features `[N, d]` and labels `[N, n]`, as `PairwiseClassifier.fit`.

        Raises:
            ValueError: X or Y is not as described.
            TrainingError: a setting is out of range.
        """
        if self.n_estimators < 1:
            raise TrainingError(f"n_estimators is {self.n_estimators}; give at least 1")
        labels = checked_labels(Y, X.shape[0] if hasattr(X, "shape") else len(X))
        rng, edges = np.random.default_rng(self.random_state), complete_edges(labels.shape[1])
        self.members_: list[GivenGraph] = []
        for index in range(self.n_estimators):
            tree = maximum_spanning_forest(edges, rng.random(len(edges)), labels.shape[1])
            member = GivenGraph(
                edges[tree], self.ridge, self.pair_features, self.max_iter, self.tol, self.random_state + index, 0
            )
            member.fit(X, labels)
            self.members_.append(member)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Labels, values as in `fit`, `[N, n]`.

        Raises:
            ValueError: X is not as in `fit`.
        """
        check_is_fitted(self)
        votes = sum(max_marginals(member.potentials(X)) for member in self.members_)
        return self.members_[0].coding_.decoded(np.asarray(votes).argmax(axis=2))
