"""What all pairwise label classifiers share: scikit-learn's face around one learning problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from structured.held_out_temperature import held_out_temperature
from structured.inference.decode import best_labels
from structured.inference.k_best import k_best
from structured.inference.potentials import Potentials
from structured.inference.sum_product import sum_product
from structured.learning.completion import completed_alone, completed_jointly
from structured.learning.design_matrix import DesignMatrix
from structured.learning.feature_scaling import FeatureScaling
from structured.learning.folding import folded
from structured.learning.label_coding import LabelCoding, checked_labels, known_labels
from structured.learning.label_space import LabelSpace
from structured.learning.problem import LabelingProblem
from structured.learning.settings import LearningSettings
from structured.learning.solving import solve_structured_svm
from structured.learning.weights import Weights
from structured.temperature import tempered
from structured.tree_picture import TreePicture, draw_tree

# Rounds of filling in unknown labels jointly and learning again.
COMPLETION_ROUNDS = 2


@dataclass(frozen=True)
class Learned:
    """What a method learned: weights over `edges`, their hinge plus ridge, and a row a step of its training."""

    weights: Weights
    edges: NDArray[np.int64]
    objective: float
    history: tuple[dict[str, Any], ...] = ()


def trained_over(problem: LabelingProblem, edges: NDArray[np.int64], settings: LearningSettings) -> Learned:
    """Train a structural SVM over these edges."""
    solution = solve_structured_svm(replace(problem, edges=edges), settings)
    return Learned(solution.weights, edges, solution.primal)


class PairwiseClassifier(ClassifierMixin, BaseEstimator, ABC):
    """Labels that are predicted together, by unary scores and scores of pairs; a method says which pairs.

    Attributes after `fit`: `classes_` (the values of each label), `edges_` int64 `[E, 2]`, `edge_strengths_` float64
    `[E]` (norm of each pair's interaction), `edge_couplings_` float64 `[E]` (its sign for two tags: above 0 they
    attract; NaN where a label has more than two states), `label_names_`, `feature_names_`, `constant_labels_` (int64:
    seen in one state only), `history_`, `objective_` (hinge plus ridge on the training rows), `model_`
    (`PairwiseModel`), `n_features_in_`.

    It passes scikit-learn's `check_estimator` but for two checks: -1 is no class here, it means unknown; and the best
    labeling as a whole need not hold each label's likelier state.

    Args:
        ridge: lambda, weight of the squared weights; features are scaled to rows of mean squared length 1.
        pair_features: columns of X on which pair scores depend beside a constant, or "all"; None: on none.
        max_iter: most passes over the rows a convex problem.
        tol: a convex problem is solved when its duality gap is at most this share of its value.
        random_state: fixes the fit.
        calibration_folds: folds on whose held-out rows the temperature of `predict_proba` is fitted, with the
            edges as learned from all rows; 0 for none. Graphs with circles get none.
    """

    def __init__(
        self,
        ridge: float = 1e-3,
        pair_features: Sequence[int] | Literal["all"] | None = None,
        max_iter: int = 100,
        tol: float = 0.01,
        random_state: int | np.random.RandomState | None = 0,
        calibration_folds: int = 3,
    ) -> None:
        self.ridge = ridge
        self.pair_features = pair_features
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.calibration_folds = calibration_folds

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.target_tags.two_d_labels = True
        tags.classifier_tags.multi_label = True
        return tags

    def fit(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        feature_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> PairwiseClassifier:
        """Learn from features `[N, d]` and labels `[N, n]`.

        Args:
            X: finite numbers, dense or sparse; sparse ones stay sparse.
            Y: 0 and 1, or classes, whole numbers from 0 or text; the number -1 where unknown.
            feature_names: `d` distinct names; None: the columns of a data frame, or `x0, x1, ...`.
            label_names: `n` distinct names; None: the columns of a data frame, or `label_0, ...`.

        Raises:
            ValueError: X or Y is not as described; the message names row and column.
            TrainingError: a setting is out of range.
        """
        features = self._features(X, reset=True)
        labels = checked_labels(Y, features.shape[0])
        self._single = np.asarray(Y).ndim == 1
        self.feature_names_ = _names(
            "feature_names", feature_names, getattr(X, "columns", None), "x", features.shape[1]
        )
        self.label_names_ = _names("label_names", label_names, getattr(Y, "columns", None), "label_", labels.shape[1])
        self.coding_ = LabelCoding.of(labels)
        self.classes_ = self.coding_.classes[0] if self._single else list(self.coding_.classes)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        settings = LearningSettings(self.ridge, self.max_iter, self.tol, seed)
        scaling = FeatureScaling.of(features)
        problem = self._problem(scaling.apply(features), labels)
        if problem.known.all():
            learned = self._learn(problem, settings)
        else:
            problem, learned = self._learn_completing(problem, settings)
        narrowed = replace(problem, edges=learned.edges)
        names = (self.feature_names_, self.label_names_)
        self.model_ = folded(
            learned.weights, learned.edges, problem.space, scaling, self.coding_, self._pair_columns(), names
        )
        temperature = held_out_temperature(narrowed, settings, self.calibration_folds)
        self.model_ = replace(self.model_, temperature=temperature)
        self.edges_, self.objective_, self.history_ = learned.edges, learned.objective, list(learned.history)
        self.edge_strengths_ = learned.weights.group_norms()
        binary = problem.space.width == 1
        self.edge_couplings_ = learned.weights.pair[0, :, 0] if binary else np.full(len(learned.edges), np.nan)
        known = known_labels(labels)
        seen = [len(np.unique(column[known[:, label]])) for label, column in enumerate(labels.T)]
        self.constant_labels_ = np.flatnonzero(np.array(seen) == 1)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The best labeling of each row, values as in `fit`: `[N, n]` (`[N]` when fitted on one label as `[N]`).

        Raises:
            ValueError: X is not as in `fit`.
            StructureError: a feature is so large that scores overflow.
        """
        states = best_labels(self.potentials(X))
        labels = self.coding_.decoded(states)
        return labels[:, 0] if self._single else labels

    def predict_k_best(self, X: ArrayLike, count: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The best labelings of each row, best first: labels `[N, count, n]`, scores float64 `[N, count]`.

        Where there are fewer labelings, the last ones repeat the first state with score -inf.

        Raises:
            ValueError: X is not as in `fit`, or `count` is below 1.
            StructureError: the edges are no forest.
        """
        if count < 1:
            raise ValueError(f"count is {count}; give at least 1")
        states, scores = k_best(self.potentials(X), count)
        return self.coding_.decoded(np.maximum(states, 0)), scores

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Marginals of the log-linear model `exp(score / temperature)`, whose temperature held-out rows set.

        Returns:
            For tags, the probability that each is on: float64 `[N, n]`. For other labels that of each state:
            float64 `[N, n, K]`, 0 where a label has no such state. For one label fitted as `[N]`: `[N, K]`.

        Raises:
            ValueError: X is not as in `fit`, or `calibration_folds` was 0.
            StructureError: the edges are no forest.
        """
        potentials = self.potentials(X)
        if np.isnan(self.model_.temperature):
            raise ValueError(
                "predict_proba needs a temperature, which only forests get; fit with calibration_folds >= 2"
            )
        unary = sum_product(tempered(potentials, self.model_.temperature)).unary
        if self._single:
            return unary[:, 0, : len(self.classes_)]
        return np.ascontiguousarray(unary[..., 1]) if self.coding_.indicator else unary

    def potentials(self, X: ArrayLike) -> Potentials:
        """Scores of each row's labelings, for `structured.inference`.

        Raises:
            ValueError: X is not as in `fit`.
            StructureError: a feature is so large that scores overflow.
        """
        check_is_fitted(self)
        return self.model_.potentials(self._features(X, reset=False))

    def plot_tree(self) -> TreePicture:
        """The learned graph as a picture: edges as thick as they are strong, by colour attracting or repelling."""
        check_is_fitted(self)
        return draw_tree(self.label_names_, self.edges_, self.edge_strengths_, self.edge_couplings_)

    def save(self, path: str | Path) -> None:
        """Write the fitted model as one `.npz`, which the service reads; `structured.load_labeller` reads it too."""
        check_is_fitted(self)
        self.model_.save(Path(path))

    def _learn_completing(
        self, problem: LabelingProblem, settings: LearningSettings
    ) -> tuple[LabelingProblem, Learned]:
        """Take turns at learning and at filling in unknown labels, at first each label by itself."""
        filled = completed_alone(problem, settings)
        learned = self._learn(filled, settings)
        for _ in range(COMPLETION_ROUNDS):
            again = completed_jointly(replace(filled, edges=learned.edges), learned.weights).labels
            if np.array_equal(again, filled.labels):
                break
            filled = replace(filled, labels=again)
            learned = self._learn(filled, settings)
        return filled, learned

    @abstractmethod
    def _learn(self, problem: LabelingProblem, settings: LearningSettings) -> Learned:
        """Choose edges and train their weights, on a problem that comes without edges."""

    def _problem(self, features: NDArray[np.float64] | csr_array, labels: NDArray[Any]) -> LabelingProblem:
        """The rows without edges; methods add theirs."""
        known, states = known_labels(labels), self.coding_.encoded(labels)
        most = max(2, int(self.coding_.states.max()))
        counts = ((states[:, :, None] == np.arange(most)) & known[:, :, None]).sum(axis=0)
        columns = features[:, self._pair_columns()]
        dense = columns.toarray() if isinstance(columns, csr_array) else columns
        return LabelingProblem(
            design=DesignMatrix.of(features),
            labels=states,
            known=known,
            space=LabelSpace.of(self.coding_.states, counts / counts.sum(axis=1, keepdims=True)),
            edges=np.zeros((0, 2), np.int64),
            pair_features=np.concatenate([np.ones((len(states), 1)), dense], axis=1),
        )

    def _pair_columns(self) -> NDArray[np.int64]:
        if self.pair_features is None:
            return np.zeros(0, np.int64)
        if isinstance(self.pair_features, str):
            if self.pair_features != "all":
                raise ValueError(f"pair_features is {self.pair_features!r}; give columns of X, 'all' or None")
            return np.arange(self.n_features_in_)
        columns = np.asarray(self.pair_features, np.int64).ravel()
        if ((columns < 0) | (columns >= self.n_features_in_)).any() or len(np.unique(columns)) < len(columns):
            raise ValueError(
                f"pair_features: {columns.tolist()}; give distinct columns from 0 to {self.n_features_in_ - 1}"
            )
        return columns

    def _features(self, X: ArrayLike, reset: bool) -> NDArray[np.float64] | csr_array:
        checked = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=reset, ensure_all_finite=False)
        values = checked.data if issparse(checked) else checked
        if not np.isfinite(values).all():
            if issparse(checked):
                entries = checked.tocoo()
                place = int(np.argmin(np.isfinite(entries.data)))
                row, column, value = entries.row[place], entries.col[place], entries.data[place]
            else:
                row, column = np.argwhere(~np.isfinite(checked))[0]
                value = checked[row, column]
            # scikit-learn's own checks look for its words.
            kind = "contains NaN" if np.isnan(value) else "contains infinity"
            raise ValueError(f"Input X {kind}: row {row}, column {column}; fill in or drop what is missing")
        return csr_array(checked) if issparse(checked) else np.asarray(checked)


def _names(field: str, given: Sequence[str] | None, columns: Any, stem: str, count: int) -> tuple[str, ...]:
    chosen = [f"{stem}{index}" for index in range(count)] if given is None and columns is None else None
    names = tuple(str(name) for name in (chosen if chosen is not None else given if given is not None else columns))
    if len(names) != count or len(set(names)) < count:
        raise ValueError(
            f"{field}: {len(names)} names, {len(set(names))} of them distinct, for {count}; name each once"
        )
    return names
