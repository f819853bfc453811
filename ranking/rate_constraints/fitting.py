"""Fit a scorer under rate constraints, by any of the methods, and set its thresholds exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.rate_constraints.examples import Examples
from ranking.rate_constraints.methods import Batch, CrossEntropy, Method
from ranking.rate_constraints.objectives import Objective, rate_loss
from ranking.rate_constraints.scorer import Scorer
from ranking.rate_constraints.settings import FitSettings, named_method
from ranking.rate_constraints.subset_quantiles import EMPTY_SUBSET, NOT_A_NUMBER
from seriatim_errors import TrainingError


@dataclass(frozen=True)
class Fit:
    """A fitted scorer.

    Attributes:
        scorer: scores standardised features.
        thresholds: float64 `[thresholds]`, exact on the training scores.
        history: a row an epoch: `step`, and `loss`, the objective on the batches' own thresholds (whatever
            the method descends on, so that methods and epochs compare).
    """

    scorer: Scorer
    thresholds: NDArray[np.float64]
    history: list[dict[str, float]]


def fit_scorer(
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    objective: Objective,
    settings: FitSettings,
    weights: NDArray[np.float32] | None = None,
    groups: NDArray[np.int32] | None = None,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> Fit:
    """Fit a scorer to standardised features; arguments and errors are those of `ScorerFitter`."""
    fitter = ScorerFitter(np.shape(features)[1], objective, settings)
    return fitter.fit(features, labels, weights, groups, on_epoch)


class ScorerFitter:
    """Fits the same scorer to different data (folds, subsets) without compiling its steps again.

    Args:
        feature_count: features of an example.
        objective: what is pinned and what is lost.
        settings: see `FitSettings`.
    """

    def __init__(self, feature_count: int, objective: Objective, settings: FitSettings) -> None:
        self.objective, self.settings = objective, settings
        self.scorer = Scorer(feature_count, settings.hidden_sizes, settings.seed)
        self.method = named_method(objective, settings)
        # Alone, cross-entropy weighs examples as they come; as a warm start it weighs the classes alike.
        self.warm = self.method if settings.method == "cross_entropy" else CrossEntropy(balanced=True)
        self.optimizer = tf.keras.optimizers.Adam(settings.learning_rate)
        own = [*self.scorer.trainable_variables, *self.method.variables]
        self.optimizer.build(own if self.warm is self.method else [*own, *self.warm.variables])
        signature = [
            tf.TensorSpec([None, feature_count], tf.float32),
            *(tf.TensorSpec([None], kind) for kind in (tf.float32, tf.float32, tf.int32)),
        ]
        self.steps = {
            method: tf.function(
                lambda *batch, method=method: self._step(method, *batch), input_signature=signature, autograph=False
            )
            for method in (self.warm, self.method)
        }
        state = [*own, *self.warm.variables, *self.method.state, *self.optimizer.variables]
        self.initial = [(variable, variable.numpy()) for variable in state]

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.float32],
        weights: NDArray[np.float32] | None = None,
        groups: NDArray[np.int32] | None = None,
        on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
        start: Sequence[NDArray[np.float32]] | None = None,
    ) -> Fit:
        """Fit from the initial weights, or from those of an earlier scorer.

        Args:
            features: float32 `[items, features]`, finite, standardised.
            labels: {0, 1} `[items]`.
            weights: `[items]`, >= 0, or None for one each.
            groups: int `[items]`, for `Coverage`.
            on_epoch: called with each history row.
            start: weights in the order of `Scorer.weights`; the epochs of cross-entropy, which lead new weights to
                where the objective can take over, are then left out.

        Raises:
            TrainingError: there is no positive or no negative with weight, a feature is not finite, a batch
                has no element of a constrained subset, or the loss is not finite.
        """
        examples = Examples.counted(features, labels, weights, groups)
        for variable, value in self.initial:
            variable.assign(value)
        if start is not None:
            for variable, value in zip(self.scorer.weights, start, strict=True):
                variable.assign(value)
        try:
            history = self._descend(examples, on_epoch, 0.0 if start is not None else self.settings.cross_entropy_share)
        except tf.errors.InvalidArgumentError as error:
            for message in (EMPTY_SUBSET, NOT_A_NUMBER):
                if message in str(error):
                    raise TrainingError(message) from None
            raise
        thresholds = examples.thresholds(self.scorer, self.objective)
        return Fit(self.scorer.copy(), thresholds, history)

    def _descend(
        self, examples: Examples, on_epoch: Callable[[dict[str, float]], None], warm_share: float
    ) -> list[dict[str, float]]:
        settings = self.settings
        rng = np.random.default_rng(settings.seed)
        warm_epochs = round(warm_share * settings.epochs)
        history: list[dict[str, float]] = []
        taken = 0
        for epoch in range(settings.epochs):
            falling = settings.final_rate + (1 - settings.final_rate) * 0.5 * (
                1 + np.cos(np.pi * epoch / settings.epochs)
            )
            self.optimizer.learning_rate.assign(settings.learning_rate * falling)
            method = self.warm if epoch < warm_epochs else self.method
            losses = []
            for batch in examples.batches(self.objective, settings.batch_size, rng):
                due = taken % method.reset_every == 0 if method.reset_every else taken == 0
                if method is self.method:
                    if due:
                        method.start(examples.thresholds(self.scorer, self.objective))
                    taken += 1
                losses.append(self.steps[method](*batch))
            loss = float(np.mean([loss.numpy() for loss in losses]))
            if not np.isfinite(loss):
                raise TrainingError(
                    f"rate constraint: the loss is not finite; lower learning_rate ({settings.learning_rate})"
                )
            history.append({"step": epoch + 1, "loss": loss})
            on_epoch(history[-1])
        return history

    def _step(
        self, method: Method, features: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, groups: tf.Tensor
    ) -> tf.Tensor:
        batch = Batch(labels, weights, groups)
        variables = [*self.scorer.trainable_variables, *method.variables]
        with tf.GradientTape() as tape:
            scores = self.scorer(features)
            decay = tf.add_n([tf.reduce_sum(kernel**2) for kernel in self.scorer.kernels])
            loss = method.loss(scores, batch)
            total = loss + self.settings.l2 * decay
        self.optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        method.after_step(scores, batch, lambda: self.scorer(features))
        if method.descends_on_objective:
            return loss
        return rate_loss(self.objective, tf.stop_gradient(scores), *batch, estimator=self.settings.estimator).loss
