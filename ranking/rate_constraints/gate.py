"""Train the gate: the most precise classifier at a promised recall, and the threshold that keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.metrics import bootstrap_ratio_interval
from ranking.rate_constraints.batches import stratified_batches
from ranking.rate_constraints.objectives import precision_at_recall
from ranking.rate_constraints.quantiles import exact_threshold, kernel_weights
from ranking.rate_constraints.scorer import Scorer
from seriatim_errors import TrainingError

WARM_START_SHARE = 0.3


@dataclass(frozen=True)
class GateSettings:
    """Settings of one gate.

    Attributes:
        target_recall: c in (0, 1), share of positives that must pass.
        hidden: hidden layer widths; empty for a linear scorer.
        epochs: passes over the negatives; the first third warm-starts by cross-entropy, because the
            quantile objective is not convex.
        batch_size, learning_rate, weight_decay: of Adam; the objective is not scale-free, so some decay
            is needed.
        folds: folds by request whose held-out scores set the threshold.
        seed: fixes folds, initial weights and batches.
    """

    target_recall: float = 0.95
    hidden: tuple[int, ...] = ()
    epochs: int = 20
    batch_size: int = 4096
    learning_rate: float = 0.01
    weight_decay: float = 1e-3
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True)
class GatePromise:
    """The recall that the threshold had on out-of-fold scores, with its 95 % interval by request."""

    recall: float
    low: float
    high: float
    positives: int


@dataclass(frozen=True)
class TrainedGate:
    """A scorer with its threshold; an item passes when its score is >= `threshold`."""

    scorer: Scorer
    threshold: float
    promise: GatePromise
    history: list[dict[str, float]]
    settings: GateSettings

    def passes(self, features: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether items with these standardised features pass, bool `[items]`."""
        return self.scorer.score(features) >= np.float32(self.threshold)


def train_gate(
    lists: RankingLists,
    labels: NDArray[np.float32],
    settings: GateSettings,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> TrainedGate:
    """Train on all lists; set the threshold on scores of lists that their scorer has not seen.

    Scores of the fold scorers are measured in units of their own scorer (distance from its training
    threshold over the spread of its scores) before they are pooled, so that a fold's scale does not matter.

    Args:
        lists: requests with standardised features.
        labels: {0, 1} `[items]`, what must pass.
        settings: see `GateSettings`.
        on_epoch: called with each history row of the final scorer: `step`, `loss`.

    Raises:
        TrainingError: there are fewer positive requests than folds, or no negative item.
    """
    positive = labels > 0
    requests = lists.list_index
    with_positive = np.unique(requests[positive])
    if len(with_positive) < settings.folds:
        raise TrainingError(
            f"gate: {len(with_positive)} requests have a positive item, fewer than gate.folds = "
            f"{settings.folds}; give more data or fewer folds"
        )
    if positive.all():
        raise TrainingError("gate: every item is positive, so there is nothing to drop; check the label")
    rng = np.random.default_rng(settings.seed)
    # Requests with positives are dealt out evenly, so that every fold can be judged.
    fold = rng.integers(settings.folds, size=len(lists))
    fold[rng.permutation(with_positive)] = np.arange(len(with_positive)) % settings.folds
    out_of_fold = np.empty(len(labels), np.float64)
    for held_out in range(settings.folds):
        inside = fold[requests] != held_out
        scorer, _ = _fit(lists.features[inside], labels[inside], settings)
        location, spread = _units(scorer, lists.features[inside], labels[inside], settings)
        out_of_fold[~inside] = (scorer.score(lists.features[~inside]) - location) / spread
    scorer, history = _fit(lists.features, labels, settings, on_epoch)
    location, spread = _units(scorer, lists.features, labels, settings)
    relative = exact_threshold(out_of_fold[positive], settings.target_recall)
    passed = np.bincount(requests, weights=positive & (out_of_fold >= relative), minlength=len(lists))
    interval = bootstrap_ratio_interval(
        passed, np.bincount(requests, weights=positive, minlength=len(lists)), seed=settings.seed
    )
    promise = GatePromise(interval.value, interval.low, interval.high, int(positive.sum()))
    threshold = float(np.float32(location + relative * spread))
    return TrainedGate(scorer, threshold, promise, history, settings)


def _units(
    scorer: Scorer, features: NDArray[np.float32], labels: NDArray[np.float32], settings: GateSettings
) -> tuple[float, float]:
    """A scorer's own zero (its training threshold) and unit (the spread of its positives' scores)."""
    scores = scorer.score(features).astype(np.float64)
    return exact_threshold(scores[labels > 0], settings.target_recall), max(float(scores.std()), 1e-12)


def _fit(
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    settings: GateSettings,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> tuple[Scorer, list[dict[str, float]]]:
    scorer = Scorer(features.shape[1], settings.hidden, settings.seed)
    optimizer = tf.keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(scorer.trainable_variables)
    step = tf.function(
        lambda *batch: _step(scorer, optimizer, settings.weight_decay, *batch),
        input_signature=[
            tf.TensorSpec([None, features.shape[1]], tf.float32),
            tf.TensorSpec([None, features.shape[1]], tf.float32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([], tf.bool),
        ],
    )
    rng = np.random.default_rng(settings.seed)
    level = 1 - settings.target_recall
    bandwidth = min(level, settings.target_recall) / 2
    history = []
    warm_epochs = round(WARM_START_SHARE * settings.epochs)
    for epoch in range(settings.epochs):
        losses = []
        for positives, negatives in stratified_batches(labels, settings.batch_size, settings.target_recall, rng):
            weights = kernel_weights(len(positives), level, bandwidth).astype(np.float32)
            warm = tf.constant(epoch < warm_epochs)
            losses.append(float(step(features[positives], features[negatives], weights, warm)))
        history.append({"step": epoch + 1, "loss": float(np.mean(losses))})
        on_epoch(history[-1])
    if not np.isfinite(history[-1]["loss"]):
        raise TrainingError(f"gate: the loss is not finite; lower learning_rate ({settings.learning_rate})")
    return scorer, history


def _step(
    scorer: Scorer,
    optimizer: tf.keras.optimizers.Optimizer,
    weight_decay: float,
    positives: tf.Tensor,
    negatives: tf.Tensor,
    quantile_weights: tf.Tensor,
    warm_start: tf.Tensor,
) -> tf.Tensor:
    with tf.GradientTape() as tape:
        high, low = scorer(positives), scorer(negatives)
        loss = tf.cond(
            warm_start,
            lambda: tf.reduce_mean(tf.nn.softplus(-high)) + tf.reduce_mean(tf.nn.softplus(low)),
            lambda: precision_at_recall(high, low, quantile_weights),
        )
        decay = tf.add_n([tf.reduce_sum(kernel**2) for kernel in scorer.kernels])
        total = loss + weight_decay * decay
    variables = scorer.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
    return loss
