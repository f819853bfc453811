"""What decoding refuses by name: shapes that do not fit, features and weights that are not finite."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ranking.seq2slate.constraints import SlateConstraints
from ranking.seq2slate.model import Seq2Slate
from seriatim_errors import ConfigError, DataError, TrainingError

# Logits over a lower one would reach `MASKED_LOGIT`.
SMALLEST_TEMPERATURE = 1e-6


def checked_lists(
    model: Seq2Slate, features: tf.Tensor, mask: tf.Tensor, constraints: SlateConstraints | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Features and mask as tensors; eagerly with zeros at padding, whatever stood there.

    Shapes are checked wherever they are known, values only where they are: eagerly. Inside a `tf.function` the
    features come from `RankingLists.padded`, which are finite and have zeros at padding.

    Raises:
        DataError: a shape does not fit, or a feature of an item is not finite.
    """
    features, mask = tf.convert_to_tensor(features), tf.convert_to_tensor(mask)
    if features.shape.rank != 3 or mask.shape.rank != 2 or not features.shape[:2].is_compatible_with(mask.shape):
        raise DataError(
            f"features and mask: shapes {features.shape} and {mask.shape}; give [batch, list_size, features] and "
            "[batch, list_size]"
        )
    if mask.dtype != tf.bool:
        raise DataError(f"mask: {mask.dtype.name}; give bool, true where an item stands")
    if not features.shape[2:].is_compatible_with([model.feature_count]):
        raise DataError(
            f"features: the lists have {features.shape[2]}, the model was made for {model.feature_count}; "
            "give the same columns"
        )
    if mask.shape[1] == 0:
        raise DataError("mask: a list size of 0; pad every list to at least one place")
    if constraints is not None and not mask.shape[1:].is_compatible_with(constraints.mask.shape[1:]):
        raise DataError(f"constraints: for lists of shape {constraints.mask.shape}, not {mask.shape}; make them anew")
    if not tf.executing_eagerly():
        return features, mask
    if constraints is not None:
        # Several paths of one list may stand beside each other, as in `SlateConstraints.eligible`.
        lists, rows = len(constraints.mask), mask.shape[0]
        if rows % max(lists, 1) or (np.repeat(constraints.mask, rows // max(lists, 1), axis=0) != mask.numpy()).any():
            raise DataError("constraints: their mask is not that of the lists; make them for these lists")
    features = tf.where(mask[:, :, tf.newaxis], features, tf.zeros_like(features))
    finite = tf.math.is_finite(features).numpy()
    if not finite.all():
        row, place, column = (int(index) for index in np.argwhere(~finite)[0])
        raise DataError(
            f"features: list {row}, item {place}, column {column} is {features[row, place, column].numpy()}; "
            "give finite features"
        )
    return features, mask


def check_decoding(**numbers: float) -> None:
    """Refuse sizes below 1 and a temperature too low for the arithmetic.

    Raises:
        ConfigError: with the name of the argument and its value.
    """
    for name, value in numbers.items():
        if name == "temperature":
            if not (isinstance(value, tf.Tensor) or SMALLEST_TEMPERATURE <= value < np.inf):
                raise ConfigError(f"temperature: {value}; give at least {SMALLEST_TEMPERATURE}, or choose greedily")
        elif value < 1:
            raise ConfigError(f"{name}: {value}; give 1 or more")


def check_decided(values: tf.Tensor) -> None:
    """Refuse, eagerly, slates that were chosen by logits or log-probabilities that are none.

    Raises:
        DataError: one of the values is NaN.
    """
    if tf.executing_eagerly() and bool(tf.reduce_any(tf.math.is_nan(values))):
        raise DataError(
            "features: the model's arithmetic overflows on them, or its weights are not finite; standardise the "
            "features, and train with a lower learning_rate"
        )


def check_step(logits: tf.Tensor, labels: tf.Tensor) -> None:
    """Refuse, eagerly, logits and labels of which a loss would be NaN.

    Raises:
        DataError: a logit or a label is NaN.
    """
    if not tf.executing_eagerly():
        return
    for name, values in (("logits", logits), ("labels", labels)):
        if bool(tf.reduce_any(tf.math.is_nan(values))):
            raise DataError(f"{name}: nan; give numbers, and a mask for items that do not remain")


def check_weights(model: Seq2Slate) -> None:
    """Refuse a model that cannot decide anything.

    Raises:
        TrainingError: a weight is not finite.
    """
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise TrainingError(
                f"seq2slate: weight {weight.name} is not finite; train again with a lower learning_rate"
            )
