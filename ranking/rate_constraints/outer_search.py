"""Goals that are no rate of a fixed subset: an outer search over objectives that are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.rate_constraints.fitting import Fit
from ranking.rate_constraints.objectives import RateObjective, exact_thresholds
from seriatim_errors import TrainingError


@dataclass(frozen=True)
class SearchResult:
    """What an outer search kept.

    Attributes:
        objective: the winner.
        fit: the scorer fitted to it.
        threshold: exact on the validation scores.
        value: the goal there (F-beta, or recall).
        tried: a row a candidate: `rate`, `precision`, `recall`, `value`.
    """

    objective: RateObjective
    fit: Fit
    threshold: float
    value: float
    tried: list[dict[str, float]]


def search_f_beta(
    fit: Callable[[RateObjective], Fit],
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    beta: float = 1.0,
    shares: Sequence[float] = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
) -> SearchResult:
    """The share of all to pass, and the scorer trained for it, with the greatest F-beta on validation data.

    For a fixed number K of passed examples F-beta `(1 + beta^2) TP / (beta^2 P + K)` rises with the true
    positives alone, which is precision at K; what is left is to search over K.

    Args:
        fit: fits a scorer to training data for an objective.
        features, labels: validation data, `[items, features]` and {0, 1} `[items]`.
        beta: > 0, how much more recall counts than precision.
        shares: in (0, 1), K over items.

    Raises:
        TrainingError: beta is not above 0, there is no share, or no positive in the validation data.
    """
    if not beta > 0:
        raise TrainingError(f"beta is {beta}; give a number above 0")

    def f_beta(precision: float, recall: float) -> float:
        below = beta**2 * precision + recall
        return (1 + beta**2) * precision * recall / below if below > 0 else 0.0

    objectives = [RateObjective.precision_at_top(share) for share in shares]
    return _search(fit, objectives, features, labels, f_beta)


def search_recall_at_precision(
    fit: Callable[[RateObjective], Fit],
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    precision: float,
    recalls: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
) -> SearchResult:
    """The greatest recall whose precision on validation data is at least `precision`.

    Precision is no rate on a fixed subset (who is counted depends on the threshold), so each recall is
    trained for on its own.

    Args:
        fit: fits a scorer to training data for an objective.
        features, labels: validation data, `[items, features]` and {0, 1} `[items]`.
        precision: in (0, 1], the least that is acceptable.
        recalls: in (0, 1), the candidates.

    Raises:
        TrainingError: no candidate reaches the precision; the message names the best that one reached.
    """

    def recall_if_precise(reached: float, recall: float) -> float:
        return recall if reached >= precision else 0.0

    objectives = [RateObjective.precision_at_recall(recall) for recall in recalls]
    result = _search(fit, objectives, features, labels, recall_if_precise)
    if result.value == 0:
        best = max(row["precision"] for row in result.tried)
        raise TrainingError(
            f"precision {precision} is not reached at any recall tried (best {best:.3f}); "
            "lower it, or try smaller recalls"
        )
    return result


def _search(
    fit: Callable[[RateObjective], Fit],
    objectives: list[RateObjective],
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    goal: Callable[[float, float], float],
) -> SearchResult:
    positive = np.asarray(labels) > 0
    if not objectives or not positive.any():
        raise TrainingError("outer search: there is no candidate rate, or no positive in the validation data")
    results = []
    for objective in objectives:
        fitted = fit(objective)
        scores = fitted.scorer.score(features)
        [threshold] = exact_thresholds(objective, scores, labels)
        passed = scores >= threshold
        precision, recall = float(positive[passed].mean()), float(passed[positive].mean())
        row = {
            "rate": objective.rates[0],
            "precision": precision,
            "recall": recall,
            "value": goal(precision, recall),
        }
        results.append((objective, fitted, float(threshold), row))
    tried = [row for *_, row in results]
    objective, fitted, threshold, best = max(results, key=lambda result: result[3]["value"])
    return SearchResult(objective, fitted, threshold, best["value"], tried)
