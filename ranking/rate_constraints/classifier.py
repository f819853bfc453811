"""A binary classifier with scikit-learn's face: precision where it counts, at a rate that it keeps."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ranking.rate_constraints.calibration import GatePromise, calibrate_out_of_fold
from ranking.rate_constraints.fitting import ScorerFitter
from ranking.rate_constraints.methods import MethodName
from ranking.rate_constraints.objectives import RateObjective
from ranking.rate_constraints.scorer import Scorer
from ranking.rate_constraints.settings import FitSettings
from seriatim_errors import TrainingError

ObjectiveName = Literal["precision_at_recall", "recall_at_false_alarms", "precision_at_top", "accuracy_at_top"]
OBJECTIVES = {
    "precision_at_recall": RateObjective.precision_at_recall,
    "recall_at_false_alarms": RateObjective.recall_at_false_alarms,
    "precision_at_top": RateObjective.precision_at_top,
    "accuracy_at_top": RateObjective.accuracy_at_top,
}


class RateConstrainedClassifier(ClassifierMixin, BaseEstimator):
    """Classifies at a threshold that a stated share of a class (or of all) passes.

    >>> classifier = RateConstrainedClassifier("recall_at_false_alarms", rate=0.01)  # doctest: +SKIP
    >>> classifier.fit(X, y).predict(X)  # doctest: +SKIP

    Attributes after `fit`: `classes_` (the second is the positive one), `threshold_`, `promise_` (the rate
    on scores of unseen examples with its interval; None with `folds=0`), `history_`, `n_features_in_`.

    It passes scikit-learn's `check_estimator` but for one check: integer weights equal repeated rows only up
    to float32 rounding, and only while all rows fit into one batch.

    Args:
        objective: `precision_at_recall`, `recall_at_false_alarms` (TPR at FPR), `precision_at_top` or
            `accuracy_at_top`.
        rate: in (0, 1): the recall, the false alarm rate, or the share of all that passes.
        method: `quantile`, `implicit`, `lagrangian` or `cross_entropy`.
        hidden_sizes: hidden layer widths; empty for a linear scorer.
        epochs, batch_size, learning_rate: of Adam.
        l2: weight of the squared kernels in the loss.
        folds: folds whose out-of-fold scores set the threshold, so that unseen data keep the rate; 0 sets
            it on the training scores, exactly.
        random_state: fixes the fit.
    """

    def __init__(
        self,
        objective: ObjectiveName = "precision_at_recall",
        rate: float = 0.95,
        method: MethodName = "quantile",
        hidden_sizes: tuple[int, ...] = (),
        epochs: int = 30,
        batch_size: int = 1024,
        learning_rate: float = 0.03,
        l2: float = 1e-4,
        folds: int = 5,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.objective = objective
        self.rate = rate
        self.method = method
        self.hidden_sizes = hidden_sizes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.l2 = l2
        self.folds = folds
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
    ) -> RateConstrainedClassifier:
        """Fit to features `[items, features]` and two classes `[items]`.

        Args:
            X: finite numbers.
            y: labels of two classes; the greater is the positive one.
            sample_weight: `[items]`, >= 0.
            clusters: `[items]`, what belongs together (a request, a user): never split between folds, and
                the unit of the promise's interval. None: every item by itself.

        Raises:
            ValueError: `X`, `y` or `clusters` is not as described.
            TrainingError: a setting is out of range, or there are fewer constrained examples than folds.
        """
        matrix, y = validate_data(self, X, y, dtype=np.float64)
        matrix = np.asarray(matrix)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(f"Only binary classification is supported. The type of the target is {type_of_target(y)}.")
        weights = _check_sample_weight(sample_weight, matrix, ensure_non_negative=True).astype(np.float32)
        if len(np.unique(codes[weights > 0])) < 2:
            raise ValueError(f"y has one class with weight ({self.classes_}); give examples of two classes")
        if self.objective not in OBJECTIVES:
            raise TrainingError(f"objective is {self.objective!r}; use one of {', '.join(OBJECTIVES)}")
        objective = OBJECTIVES[self.objective](self.rate)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.scaler_ = StandardScaler().fit(matrix, sample_weight=weights)
        features = self.scaler_.transform(matrix).astype(np.float32)
        labels = codes.astype(np.float32)
        fitter = ScorerFitter(
            features.shape[1],
            objective,
            FitSettings(
                method=self.method,
                hidden_sizes=tuple(self.hidden_sizes),
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                l2=self.l2,
                seed=seed,
            ),
        )
        fitted = fitter.fit(features, labels, weights)
        self.scorer_, self.history_ = fitted.scorer, fitted.history
        self.threshold_: float = float(fitted.thresholds[0])
        self.promise_: GatePromise | None = None
        if self.folds:
            members = np.asarray(objective.subsets(labels, None))[0] > 0

            def refit(rows: NDArray[np.bool_]) -> Scorer:
                return fitter.fit(features[rows], labels[rows], weights[rows]).scorer

            given = np.arange(len(codes)) if clusters is None else np.asarray(clusters)
            if given.shape != (len(codes),):
                raise ValueError(f"clusters: shape {given.shape} for {len(codes)} rows of X; give one each")
            _, cluster = np.unique(given, return_inverse=True)
            calibration = calibrate_out_of_fold(
                self.scorer_, refit, features, members, weights, cluster, self.rate, self.folds, seed
            )
            self.threshold_, self.promise_ = calibration.threshold, calibration.promise
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Distance above the threshold, float64 `[items]`; above 0 for the positive class.

        Raises:
            ValueError: `X` is not as in `fit`, or so far from the training data that the arithmetic overflows.
        """
        check_is_fitted(self)
        standardised = self.scaler_.transform(validate_data(self, X, dtype=np.float64, reset=False))
        with np.errstate(over="ignore"):
            features = standardised.astype(np.float32)
        # Items at the threshold pass, while the convention here is that 0 does not: the next score below is 0.
        zero = float(np.nextafter(np.float32(self.threshold_), np.float32(-np.inf)))
        distances = self.scorer_.score(features).astype(np.float64) - zero
        if not np.isfinite(distances).all():
            row = int(np.argmin(np.isfinite(distances)))
            raise ValueError(
                f"X: row {row} lies so far from the training data that its score overflows; check its units"
            )
        return distances

    def predict(self, X: ArrayLike) -> NDArray:
        """The class of each item, `[items]`."""
        positive = self.decision_function(X) > 0
        return self.classes_[positive.astype(int)]
