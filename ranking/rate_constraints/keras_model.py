"""Rate constraints with Keras' face: a loss for any model, and a model that keeps its thresholds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from ranking.rate_constraints.objectives import KERNEL, RateObjective, exact_thresholds, rate_loss
from ranking.rate_constraints.subset_quantiles import EMPTY_SUBSET, QuantileEstimator
from seriatim_errors import TrainingError


class RateConstrainedLoss(tf.keras.losses.Loss):
    """The objective's loss on a batch, mean over label columns; each column has thresholds of its own.

    It does not decompose over examples, so batches must hold enough constrained examples (2 / min(c, 1 - c)
    or more of each column), and sample weights enter the quantile, not only the sum.

    Args:
        objective: what is pinned and what is lost.
        estimator: of the quantiles.
    """

    def __init__(
        self, objective: RateObjective, estimator: QuantileEstimator = KERNEL, name: str = "rate_constrained"
    ) -> None:
        super().__init__(reduction="none", name=name)
        self.objective, self.estimator = objective, estimator

    def __call__(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        """The loss, a scalar.

        Args:
            y_true: {0, 1} `[batch]` or `[batch, labels]`.
            y_pred: scores, float `[batch]` or `[batch, labels]`, of linear (not squashed) outputs.
            sample_weight: `[batch]`, >= 0.

        Raises:
            TrainingError: a column has no constrained example (eagerly; InvalidArgumentError in a graph).
        """
        scores = tf.transpose(tf.reshape(y_pred, [tf.shape(y_pred)[0], -1]))
        labels = tf.reshape(tf.transpose(tf.cast(y_true, scores.dtype)), tf.shape(scores))
        weights = tf.ones_like(scores)
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, scores.dtype), [1, -1])
        return tf.reduce_mean(rate_loss(self.objective, scores, labels, weights, estimator=self.estimator).loss)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The loss without weights."""
        return self(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Plain values that `from_config` builds the same loss from."""
        return {
            "objective": dataclasses.asdict(self.objective),
            "estimator": dataclasses.asdict(self.estimator),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RateConstrainedLoss:
        """The loss that `get_config` described."""
        return cls(_objective(config["objective"]), QuantileEstimator(**config["estimator"]), config["name"])


@tf.keras.saving.register_keras_serializable(package="seriatim")
class RateConstrainedModel(tf.keras.Model):
    """Any scoring model with the thresholds that hold an objective's rates, saved as one of its weights.

    Compile with `loss=RateConstrainedLoss(objective)`, `fit`, then `calibrate` on data that were not fitted.

    Args:
        scorer: model from features to scores `[batch, labels]`, with linear outputs.
        objective: what is pinned and what is lost.
        label_count: columns of the scores.
    """

    def __init__(self, scorer: tf.keras.Model, objective: RateObjective, label_count: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.scorer, self.objective, self.label_count = scorer, objective, label_count
        # Before calibration nothing passes: a threshold that holds no promise should not look like one.
        self.thresholds = self.add_weight(
            "thresholds", (label_count, len(objective.rates)), initializer=_infinite, trainable=False
        )

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Scores of the scorer."""
        return self.scorer(inputs, training=training)

    def fit(self, *args: Any, **options: Any) -> tf.keras.callbacks.History:
        """`keras.Model.fit`.

        Raises:
            TrainingError: a batch had no constrained example.
        """
        try:
            return super().fit(*args, **options)
        except tf.errors.InvalidArgumentError as error:
            if EMPTY_SUBSET in str(error):
                raise TrainingError(EMPTY_SUBSET) from None
            raise

    def calibrate(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> NDArray[np.float64]:
        """Set and return the exact thresholds on these data, float64 `[labels, thresholds]`.

        Args:
            x: features, as for `predict`.
            y: {0, 1} `[items]` or `[items, labels]`.
            sample_weight: `[items]`, >= 0.

        Raises:
            TrainingError: a column has no constrained example, or a score is not finite.
        """
        scores = self.predict(x, verbose=0).reshape(-1, self.label_count)
        labels = np.asarray(y, np.float32).reshape(-1, self.label_count)
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float32)
        found = np.stack(
            [exact_thresholds(self.objective, scores[:, i], labels[:, i], weights) for i in range(self.label_count)]
        )
        self.thresholds.assign(found.astype(np.float32))
        return found

    def passes(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether scores reach their (first) thresholds, bool `[items, labels]`."""
        scores = self.predict(x, verbose=0).reshape(-1, self.label_count)
        return scores >= self.thresholds.numpy()[:, 0]

    def get_config(self) -> dict[str, Any]:
        """Plain values that `from_config` builds the same model from."""
        return {
            "scorer": tf.keras.saving.serialize_keras_object(self.scorer),
            "objective": dataclasses.asdict(self.objective),
            "label_count": self.label_count,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RateConstrainedModel:
        """The model that `get_config` described."""
        scorer = tf.keras.saving.deserialize_keras_object(config["scorer"], custom_objects)
        return cls(scorer, _objective(config["objective"]), config["label_count"], name=config["name"])


def _objective(values: dict[str, Any]) -> RateObjective:
    return RateObjective(**{**values, "rates": tuple(values["rates"])})


def _infinite(shape: tf.TensorShape, dtype: tf.DType | None = None) -> tf.Tensor:
    return tf.fill(shape, tf.constant(np.inf, dtype or tf.float32))
