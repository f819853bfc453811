"""Train the gate: the most precise classifier at a promised recall, and the threshold that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.rate_constraints.calibration import GatePromise, calibrate_out_of_fold
from ranking.rate_constraints.examples import check_each
from ranking.rate_constraints.fitting import ScorerFitter
from ranking.rate_constraints.objectives import RateObjective
from ranking.rate_constraints.scorer import Scorer
from ranking.rate_constraints.settings import FitSettings, check_settings
from seriatim_errors import DataError, TrainingError


@dataclass(frozen=True)
class GateSettings:
    """Settings of one gate.

    Attributes:
        target_recall: c in (0, 1), share of positives that must pass.
        hidden_sizes: hidden layer widths; empty for a linear scorer.
        epochs: passes over the negatives; the first third warm-starts by cross-entropy, because the
            quantile objective is not convex.
        batch_size, learning_rate: of Adam.
        l2: weight of the squared kernels in the loss; the objective is not scale-free, so some is needed.
        folds: folds by request whose held-out scores set the threshold.
        seed: fixes folds, initial weights and batches.

    Raises:
        TrainingError: a setting is out of its range.
    """

    target_recall: float = 0.95
    hidden_sizes: tuple[int, ...] = ()
    epochs: int = 20
    batch_size: int = 4096
    learning_rate: float = 0.01
    l2: float = 1e-3
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(self, {"epochs": 1, "batch_size": 1, "folds": 2, "seed": 0})
        if not 0 < self.target_recall < 1:
            raise TrainingError(f"target_recall is {self.target_recall}; give a share between 0 and 1")


@dataclass(frozen=True)
class TrainedGate:
    """A scorer with its threshold; an item passes when its score is >= `threshold`."""

    scorer: Scorer
    threshold: float
    promise: GatePromise
    history: list[dict[str, float]]
    settings: GateSettings

    def passes(self, features: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether items with these standardised features pass, bool `[items]`.

        Raises:
            DataError: the features have another width than the training items', or one is not finite.
        """
        width = int(self.scorer.kernels[0].shape[0])
        if np.ndim(features) != 2 or np.shape(features)[1] != width:
            raise DataError(f"features: shape {np.shape(features)}; the gate was trained on [items, {width}]")
        if not np.isfinite(features).all():
            row, column = np.argwhere(~np.isfinite(features))[0]
            raise DataError(f"features: column {column} of item {row} is {features[row, column]}; give finite features")
        return self.scorer.score(features) >= np.float32(self.threshold)


def train_gate(
    lists: RankingLists,
    labels: NDArray[np.float32],
    settings: GateSettings,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
    start: Sequence[NDArray[np.float32]] | None = None,
) -> TrainedGate:
    """Train on all lists; set the threshold on scores of lists that their scorer has not seen.

    The scorers of the folds begin anew even where the final one does not: weights that come from an earlier gate have
    seen requests of every fold, and what is promised would be what was learned by heart.

    Args:
        lists: requests with standardised features; items weigh as their `weights` say.
        labels: {0, 1} `[items]`, what must pass.
        settings: see `GateSettings`.
        on_epoch: called with each history row of the final scorer: `step`, `loss` (mean sigmoid of the
            negatives' distance above the threshold, so that an item at the threshold costs 1/2).
        start: weights of the final scorer to start from, see `starting_weights`; None: new ones.

    Raises:
        TrainingError: there are fewer positive requests than folds, no negative item, or the labels do not match
            the items.
    """
    if np.shape(labels) != (len(lists.item_ids),):
        raise TrainingError(
            f"gate: labels have shape {np.shape(labels)} for {len(lists.item_ids)} items; give one each"
        )
    check_each("label", labels, np.isin(labels, (0, 1)), "give 0 or 1")
    positive = labels > 0
    requests = lists.list_index
    weights = np.ones(len(labels), np.float32) if lists.weights is None else lists.weights
    with_positive = len(np.unique(requests[positive & (weights > 0)]))
    if with_positive < settings.folds:
        raise TrainingError(
            f"gate: {with_positive} requests have a positive item, fewer than gate.folds = "
            f"{settings.folds}; give more data or fewer folds"
        )
    if positive.all():
        raise TrainingError("gate: every item is positive, so there is nothing to drop; check the label")
    objective = RateObjective.precision_at_recall(settings.target_recall)
    recipe = FitSettings(
        hidden_sizes=settings.hidden_sizes,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        l2=settings.l2,
        seed=settings.seed,
    )

    fitter = ScorerFitter(lists.features.shape[1], objective, recipe)

    def fit(rows: NDArray[np.bool_]) -> Scorer:
        return fitter.fit(lists.features[rows], labels[rows], weights[rows]).scorer

    final = fitter.fit(lists.features, labels, weights, on_epoch=on_epoch, start=start)
    calibration = calibrate_out_of_fold(
        final.scorer,
        fit,
        lists.features,
        positive,
        weights,
        requests,
        settings.target_recall,
        settings.folds,
        settings.seed,
    )
    return TrainedGate(final.scorer, calibration.threshold, calibration.promise, final.history, settings)
