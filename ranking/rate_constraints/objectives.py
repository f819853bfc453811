"""Losses whose thresholds are quantiles of the scores on a constrained subset.

Every objective pins the share of a subset A that passes its threshold and bounds what remains to be won. All
speak one interface: `rate_loss` gives the loss with gradients through the threshold; `loss_at` is the same at
thresholds that come from elsewhere (a multiplier's, an implicit function's).

Source: arXiv 1803.00067; recall at a false alarm rate as a metric from Kumar, Narasimhan and Cotter (ICML 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.rate_constraints.quantiles import exact_threshold, quantile
from ranking.rate_constraints.subset_quantiles import QuantileEstimator, subset_quantile
from ranking.rate_constraints.surrogates import Surrogate, check_surrogate, error_costs, spread, weighted_mean
from seriatim_errors import TrainingError

KERNEL = QuantileEstimator()


class RateLoss(NamedTuple):
    """A loss `[...]` and its thresholds `[..., thresholds]`, for scores `[..., items]`."""

    loss: tf.Tensor
    thresholds: tf.Tensor


class Objective(Protocol):
    """A loss under rate constraints; leading axes of its arguments (labels, lists) are separate problems."""

    @property
    def rates(self) -> tuple[float, ...]:
        """Share of its subset that passes each threshold."""

    def subsets(self, labels: tf.Tensor, groups: tf.Tensor | None) -> tf.Tensor:
        """{0, 1} `[..., thresholds or 1, items]`, in the labels' type: who is counted in each rate."""

    def loss_at(
        self,
        scores: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        thresholds: tf.Tensor,
        groups: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The loss `[...]` at given thresholds `[..., thresholds]`; 0 where it has no example to count."""


@dataclass(frozen=True)
class RateObjective:
    """Pins the pass share of one kind of example, and counts errors at each threshold by a surrogate.

    Attributes:
        among: A, whose pass share is pinned.
        rates: c in (0, 1), the pass share at each threshold; the loss is the mean over thresholds.
        misses: count `b - f` over the positives.
        false_alarms: count `f - b` over the negatives.
        surrogate: of the count, see `error_costs`.
    """

    among: Literal["positives", "negatives", "all"]
    rates: tuple[float, ...]
    misses: bool
    false_alarms: bool
    surrogate: Surrogate = "sigmoid"

    def __post_init__(self) -> None:
        check_surrogate(self.surrogate)
        if not self.rates:
            raise TrainingError("rate constraint: there is no rate; give at least one")
        for rate in self.rates:
            if not 0 < rate < 1:
                raise TrainingError(f"rate constraint: the rate is {rate}; give a share between 0 and 1")

    @classmethod
    def precision_at_recall(cls, recall: float, surrogate: Surrogate = "sigmoid") -> RateObjective:
        """Fewest false positives while `recall` of the positives pass: true positives are pinned."""
        return cls("positives", (recall,), misses=False, false_alarms=True, surrogate=surrogate)

    @classmethod
    def recall_at_false_alarms(cls, rate: float, surrogate: Surrogate = "sigmoid") -> RateObjective:
        """Most positives while `rate` of the negatives pass (TPR at FPR)."""
        return cls("negatives", (rate,), misses=True, false_alarms=False, surrogate=surrogate)

    @classmethod
    def precision_at_top(cls, share: float, surrogate: Surrogate = "sigmoid") -> RateObjective:
        """Most positives among the top `share` of all: precision at K = share x items."""
        return cls("all", (share,), misses=True, false_alarms=False, surrogate=surrogate)

    @classmethod
    def accuracy_at_top(cls, share: float, surrogate: Surrogate = "sigmoid") -> RateObjective:
        """Positives above and negatives below the threshold that the top `share` of all pass."""
        return cls("all", (share,), misses=True, false_alarms=True, surrogate=surrogate)

    @classmethod
    def area_under_precision(cls, low: float, points: int = 5, surrogate: Surrogate = "sigmoid") -> RateObjective:
        """Precision averaged over recalls from `low` to 1 (AUC-PR), at one sort for all of them.

        The grid holds the middles of `points` equal parts: none sits at recall 1, where the threshold
        would be a single example.
        """
        if not 0 <= low < 1 or points < 1:
            raise TrainingError(f"area under precision: low is {low}, points is {points}; give 0 <= low < 1 <= points")
        step = (1 - low) / points
        rates = tuple(low + step * (i + 0.5) for i in range(points))
        return cls("positives", rates, misses=False, false_alarms=True, surrogate=surrogate)

    def subsets(self, labels: tf.Tensor, groups: tf.Tensor | None) -> tf.Tensor:
        """Members of A, one row for all thresholds: `[..., 1, items]`."""
        members = {"positives": labels, "negatives": 1 - labels, "all": tf.ones_like(labels)}
        return members[self.among][..., None, :]

    def loss_at(
        self,
        scores: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        thresholds: tf.Tensor,
        groups: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Mean surrogate over the positives, the negatives or both, averaged over thresholds."""
        margins = scores[..., None, :] - thresholds[..., None]
        unit = spread(scores, weights)[..., None, None]
        loss = tf.zeros_like(thresholds)
        if self.misses:
            loss += weighted_mean(error_costs(self.surrogate, -margins, unit), (weights * labels)[..., None, :])
        if self.false_alarms:
            loss += weighted_mean(error_costs(self.surrogate, margins, unit), (weights * (1 - labels))[..., None, :])
        return tf.reduce_mean(loss, axis=-1)


def rate_loss(
    objective: Objective,
    scores: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor | None = None,
    groups: tf.Tensor | None = None,
    estimator: QuantileEstimator = KERNEL,
) -> RateLoss:
    """The objective's loss at the thresholds that hold its rates on these very scores.

    Args:
        objective: what is pinned and what is lost.
        scores: float `[..., items]`, live.
        labels: {0, 1} `[..., items]`.
        weights: `[..., items]`, >= 0, zero for padding; None for one each.
        groups: int `[..., items]`, for `Coverage`.
        estimator: of the quantiles.

    Raises:
        TrainingError: a constrained subset is empty (eagerly; InvalidArgumentError inside a `tf.function`).
    """
    labels = tf.cast(labels, scores.dtype)
    weights = tf.ones_like(scores) if weights is None else tf.cast(weights, scores.dtype)
    subset_weights = objective.subsets(labels, groups) * weights[..., None, :]
    levels = tf.constant([1 - rate for rate in objective.rates], tf.float32 if scores.dtype.size < 4 else scores.dtype)
    thresholds = subset_quantile(scores[..., None, :], subset_weights, levels, estimator)
    return RateLoss(objective.loss_at(scores, labels, weights, thresholds, groups), thresholds)


def exact_thresholds(
    objective: Objective,
    scores: NDArray[np.floating],
    labels: NDArray[np.floating],
    weights: NDArray[np.floating] | None = None,
    groups: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """The order statistics that hold the objective's rates exactly: float64 `[thresholds]`, for scores `[items]`.

    Raises:
        TrainingError: a constrained subset is empty, or a score is not finite.
    """
    subsets = np.asarray(objective.subsets(tf.constant(labels, tf.float32), groups)) > 0
    subsets = np.broadcast_to(subsets, (len(objective.rates), len(scores)))
    found = [
        exact_threshold(scores[inside], rate, None if weights is None else weights[inside])
        for inside, rate in zip(subsets, objective.rates, strict=True)
    ]
    return np.array(found)


def precision_at_recall(
    positive_scores: tf.Tensor, negative_scores: tf.Tensor, quantile_weights: tf.Tensor
) -> tf.Tensor:
    """Mean softplus of `f - b` over the negatives, where b is the quantile of the positives' scores.

    With recall pinned by the threshold the number of true positives is fixed, so that maximising precision
    is minimising false positives, which this bounds from above (up to ln 2 a negative).

    Args:
        positive_scores: float `[positives]`, at least one.
        negative_scores: float `[negatives]`.
        quantile_weights: `[positives]`, from one of the estimators at level `1 - recall`.
    """
    threshold = quantile(positive_scores, quantile_weights)
    return tf.reduce_mean(tf.nn.softplus(negative_scores - threshold))
