"""Train seq2slate from clicks on the model's own paths, or by policy gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.seq2slate.decoding import decode, greedy_choice, list_ranker, sampled_choice
from ranking.seq2slate.losses import slate_loss
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.settings import Seq2SlateSettings
from seriatim_errors import TrainingError

BASELINE_DECAY = 0.99


@dataclass(frozen=True)
class TrainedSeq2Slate:
    """A trained model (the best epoch's weights) and one history row an epoch."""

    model: Seq2Slate
    history: list[dict[str, float]]
    settings: Seq2SlateSettings


def train_seq2slate(
    train: RankingLists,
    validation: RankingLists,
    settings: Seq2SlateSettings,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> TrainedSeq2Slate:
    """Train on clicks.

    Args:
        train: lists in base order with standardised features and clicks.
        validation: likewise; its NDCG chooses the epoch. Use requests that are not evaluated on later.
        settings: the training mode and its numbers.
        on_epoch: called with each history row: `step` (epoch), `loss`, `ndcg_at_10`.

    Raises:
        TrainingError: no list has a click, there is no validation list with one, or the loss is not finite.
    """
    for name, lists in (("training", train), ("validation", validation)):
        if lists.clicks is None or not (lists.clicks > 0).any():
            raise TrainingError(f"seq2slate: no click in the {len(lists)} {name} lists; give a log with clicks")
    # A list without clicks has zero loss in every mode: it only costs time.
    clicked = np.bincount(train.list_index, weights=train.clicks, minlength=len(train)) > 0
    train = train.select(clicked)
    model = Seq2Slate(len(train.feature_names), settings.hidden_size, settings.dropout, settings.seed)
    steps = settings.steps or int(train.list_sizes.max())
    trainer = _Trainer(model, settings, steps)
    decoding: Literal["one_step", "greedy"] = "one_step" if settings.training == "one_step" else "greedy"
    rank = list_ranker(model, decoding, min(settings.reward_cutoff, steps))
    order = np.random.default_rng(settings.seed)
    history: list[dict[str, float]] = []
    best, best_weights, best_epoch = -math.inf, model.get_weights(), 0
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for batch in train.select(order.permutation(len(train))).batches(settings.batch_size):
            padded = batch.padded()
            losses.append(float(trainer.step(padded.features, padded.mask, padded.labels)))
        if not np.isfinite(losses).all():
            raise TrainingError(
                f"seq2slate: the loss is not finite in epoch {epoch}; "
                f"lower learning_rate (it is {settings.learning_rate})"
            )
        quality = _clicked_ndcg(validation, rank(validation), settings.reward_cutoff)
        history.append({"step": epoch, "loss": float(np.mean(losses)), "ndcg_at_10": quality})
        on_epoch(history[-1])
        if quality > best:
            best, best_weights, best_epoch = quality, model.get_weights(), epoch
        elif epoch - best_epoch >= settings.patience:
            break
    model.set_weights(best_weights)
    return TrainedSeq2Slate(model, history, settings)


class _Trainer:
    """One optimiser step, compiled once for all list sizes."""

    def __init__(self, model: Seq2Slate, settings: Seq2SlateSettings, steps: int) -> None:
        self.model, self.settings, self.steps = model, settings, steps
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, settings.decay_steps, settings.decay_rate
        )
        self.optimizer = tf.keras.optimizers.Adam(schedule)
        self.optimizer.build(model.trainable_variables)
        self.baseline = tf.Variable(math.nan, dtype=tf.float32, trainable=False)
        self.counter = tf.Variable(0, dtype=tf.int32, trainable=False)
        self._compiled = tf.function(
            self._step,
            input_signature=[
                tf.TensorSpec([None, None, model.feature_count], tf.float32),
                tf.TensorSpec([None, None], tf.bool),
                tf.TensorSpec([None, None], tf.float32),
            ],
        )

    def step(self, features: NDArray[np.float32], mask: NDArray[np.bool_], labels: NDArray[np.float32]) -> tf.Tensor:
        return self._compiled(tf.constant(features), tf.constant(mask), tf.constant(labels))

    def _step(self, features: tf.Tensor, mask: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([tf.constant(self.settings.seed, tf.int32), self.counter.assign_add(1)])
        with tf.GradientTape() as tape:
            surrogate, reported, update = training_surrogate(
                self.model, features, mask, labels, self.settings, self.steps, seed, self.baseline
            )
            total = surrogate
            if self.settings.training != "reinforce" and self.settings.l2 > 0:
                total += self.settings.l2 * tf.add_n(
                    [tf.reduce_sum(weight**2) for weight in self.model.trainable_variables]
                )
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        self.baseline.assign(update)
        return reported


def training_surrogate(
    model: Seq2Slate,
    features: tf.Tensor,
    mask: tf.Tensor,
    labels: tf.Tensor,
    settings: Seq2SlateSettings,
    steps: int,
    seed: tf.Tensor,
    baseline: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The scalar whose gradient trains the model in the mode of `settings`.

    `sampling` minimises `E[L_pi]`, whose gradient has two terms, `grad L_pi + (L_pi - b) grad log p(pi)`;
    their surrogate is `L_pi + sg(L_pi - b) log p(pi)`. `reinforce` maximises `E[R]` by
    `- sg(R - b) log p(pi)`. b is a moving average of L or R that starts at the first batch's mean.

    Returns:
        The surrogate, the quantity to report (mean L, or mean -R) and the baseline's next value.
    """
    training = settings.training != "reinforce"
    if settings.training in ("greedy", "one_step"):
        length = 1 if settings.training == "one_step" else steps
        decoded = decode(model, features, mask, length, greedy_choice(), training)
        loss = tf.reduce_mean(slate_loss(decoded, labels, settings.loss))
        return loss, loss, baseline
    decoded = decode(model, features, mask, steps, sampled_choice(seed), training)
    log_p = tf.reduce_sum(decoded.log_probabilities, axis=1)
    if settings.training == "sampling":
        value = slate_loss(decoded, labels, settings.loss)
        pathwise = value
    else:
        value = -slate_ndcg(decoded.order, labels, settings.reward_cutoff)
        pathwise = tf.zeros_like(log_p)
    mean = tf.reduce_mean(value)
    base = tf.where(tf.math.is_nan(baseline), tf.cast(mean, baseline.dtype), baseline)
    advantage = tf.stop_gradient(value - tf.cast(base, value.dtype))
    surrogate = tf.reduce_mean(pathwise + advantage * log_p)
    update = BASELINE_DECAY * base + (1 - BASELINE_DECAY) * tf.cast(mean, baseline.dtype)
    return surrogate, mean, tf.stop_gradient(update)


def slate_ndcg(order: tf.Tensor, labels: tf.Tensor, cutoff: int) -> tf.Tensor:
    """NDCG@cutoff of a decoded order under binary labels; 0 for lists without a click.

    Args:
        order: int64 `[batch, steps]`, -1 where nothing was placed.
        labels: float `[batch, list_size]`.
    """
    depth = min(cutoff, order.shape[1])
    gains = tf.gather(labels, tf.maximum(order[:, :depth], 0), batch_dims=1)
    gains = tf.where(order[:, :depth] >= 0, gains, tf.zeros_like(gains))
    discounts = tf.constant(1.0 / np.log2(np.arange(2, cutoff + 2)), labels.dtype)
    ideal_gains = tf.sort(labels, axis=1, direction="DESCENDING")[:, :cutoff]
    ideal = tf.reduce_sum(ideal_gains * discounts[: tf.shape(ideal_gains)[1]], axis=1)
    return tf.math.divide_no_nan(tf.reduce_sum(gains * discounts[:depth], axis=1), ideal)


def _clicked_ndcg(lists: RankingLists, scores: NDArray[np.float32], cutoff: int) -> float:
    """Mean NDCG@cutoff of the order by `scores`, over the lists that have a click."""
    ranked = lists.reordered(scores).padded()
    order = np.tile(np.arange(ranked.mask.shape[1]), (len(lists), 1))
    values = slate_ndcg(tf.constant(order), tf.constant(ranked.labels), cutoff).numpy()
    return float(values[ranked.labels.sum(axis=1) > 0].mean())
