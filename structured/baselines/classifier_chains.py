"""Classifier chains: one logistic regression a label, which reads the labels before it.

Read, Pfahringer, Holmes and Frank, "Classifier chains for multi-label classification" (2011). The order decides what
a chain can say, so several random orders vote.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import ClassifierChain
from sklearn.utils.validation import check_is_fitted, validate_data

from seriatim_errors import TrainingError
from structured.baselines.multi_label import MultiLabelEnsemble
from structured.learning.label_coding import checked_labels


class ClassifierChainEnsemble(MultiLabelEnsemble):
    """The mean of several chains in random orders; a tag is on where the mean probability is above one half.

    Args:
        C: inverse weight of the squared weights, as of scikit-learn's logistic regressions.
        n_estimators: how many; 1 is a single chain.
        random_state: fixes the orders.
    """

    def __init__(self, C: float = 1.0, n_estimators: int = 10, random_state: int = 0) -> None:
        self.C = C
        self.n_estimators = n_estimators
        self.random_state = random_state

    def fit(self, X: ArrayLike, Y: ArrayLike) -> ClassifierChainEnsemble:
        """Learn from features `[N, d]` and tags `[N, n]` of 0 and 1; tags that never vary are kept as they are.

        Raises:
            ValueError: X or Y is not as described.
            TrainingError: fewer than one chain, or a tag is unknown somewhere.
        """
        if self.n_estimators < 1:
            raise TrainingError(f"n_estimators is {self.n_estimators}; give at least 1")
        features = validate_data(self, X, accept_sparse="csr", dtype=np.float64)
        labels = checked_labels(Y, features.shape[0])
        if labels.dtype.kind != "i" or not np.isin(labels, (0, 1)).all():
            raise TrainingError("Y: chains need every tag as 0 or 1; use CRANKClassifier where some are unknown")
        self.varies_ = labels.min(axis=0) < labels.max(axis=0)
        self.constant_ = labels[0]
        chosen = labels[:, self.varies_]
        self.chains_ = [
            ClassifierChain(
                LogisticRegression(C=self.C, solver="liblinear"),
                order="random",
                random_state=self.random_state + index,
            ).fit(features, chosen)
            for index in range(self.n_estimators if chosen.shape[1] else 0)
        ]
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Mean probability that each tag is on, float64 `[N, n]`."""
        check_is_fitted(self)
        features = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        result = np.repeat(self.constant_[None].astype(float), features.shape[0], axis=0)
        if self.chains_:
            result[:, self.varies_] = np.mean([chain.predict_proba(features) for chain in self.chains_], axis=0)
        return result

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Tags, int64 `[N, n]`."""
        return (self.predict_proba(X) > 0.5).astype(np.int64)
