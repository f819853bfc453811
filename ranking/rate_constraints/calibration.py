"""The final threshold: exact on scores that their scorer has not seen, with an interval for the rate it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.metrics import bootstrap_ratio_interval
from ranking.rate_constraints.quantiles import exact_threshold
from ranking.rate_constraints.scorer import Scorer
from seriatim_errors import TrainingError


@dataclass(frozen=True)
class GatePromise:
    """The rate (a gate's recall) that the threshold had on out-of-fold scores, with its 95 % interval by request.

    `positives` counts the examples that the rate is a share of.
    """

    recall: float
    low: float
    high: float
    positives: int


@dataclass(frozen=True)
class Calibration:
    """A threshold for the final scorer, and what it promises."""

    threshold: float
    promise: GatePromise


def calibrate_out_of_fold(
    scorer: Scorer,
    fit: Callable[[NDArray[np.bool_]], Scorer],
    features: NDArray[np.float32],
    members: NDArray[np.bool_],
    weights: NDArray[np.float32],
    clusters: NDArray[np.int64],
    rate: float,
    folds: int,
    seed: int,
) -> Calibration:
    """The threshold that `rate` of the constrained examples pass when their scorer has not seen their cluster.

    Scores of the fold scorers are measured in units of their own scorer (distance from its training
    threshold over the spread of its scores) before they are pooled, so that a fold's scale does not matter;
    the pooled threshold is then turned into the final scorer's units.

    Args:
        scorer: the final one, fitted to everything.
        fit: fits a scorer by the same recipe to the rows where a bool `[items]` is true.
        features: float32 `[items, features]`.
        members: bool `[items]`, the constrained subset A.
        weights: `[items]`, >= 0.
        clusters: int64 `[items]`, 0 to clusters - 1; what belongs together (a request) shares a fold.
        rate: c in (0, 1), the share of A that passes.
        folds: >= 2.
        seed: fixes the folds and the interval.

    Raises:
        TrainingError: fewer clusters than folds hold a constrained example with weight.
    """
    counted = members & (weights > 0)
    with_member = np.unique(clusters[counted])
    if folds < 2 or len(with_member) < folds:
        raise TrainingError(
            f"rate constraint: {len(with_member)} clusters hold a constrained example, folds is {folds}; "
            "give at least 2 folds and no more than there are such clusters"
        )
    rng = np.random.default_rng(seed)
    cluster_count = int(clusters.max()) + 1
    # Clusters with constrained examples are dealt out evenly, so that every fold can be judged.
    fold = rng.integers(folds, size=cluster_count)
    fold[rng.permutation(with_member)] = np.arange(len(with_member)) % folds
    pooled = np.empty(len(members), np.float64)
    for held_out in range(folds):
        inside = fold[clusters] != held_out
        partial = fit(inside)
        location, spread = _units(partial.score(features[inside]), members[inside], weights[inside], rate)
        pooled[~inside] = (partial.score(features[~inside]) - location) / spread
    relative = exact_threshold(pooled[counted], rate, weights[counted])
    share = np.where(counted, weights, 0).astype(np.float64)
    interval = bootstrap_ratio_interval(
        np.bincount(clusters, share * (pooled >= relative), cluster_count),
        np.bincount(clusters, share, cluster_count),
        seed=seed,
    )
    location, spread = _units(scorer.score(features), members, weights, rate)
    promise = GatePromise(interval.value, interval.low, interval.high, int(counted.sum()))
    return Calibration(float(np.float32(location + relative * spread)), promise)


def _units(
    scores: NDArray[np.float32], members: NDArray[np.bool_], weights: NDArray[np.float32], rate: float
) -> tuple[float, float]:
    """A scorer's own zero (its training threshold) and unit (the spread of all its scores)."""
    exact = scores.astype(np.float64)
    return exact_threshold(exact[members], rate, weights[members]), max(float(exact.std()), 1e-12)
