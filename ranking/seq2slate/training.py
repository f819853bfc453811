"""Train seq2slate from clicks on the model's own paths, or by policy gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.lists import PaddedLists, RankingLists
from ranking.metrics.evaluation import evaluate_lists
from ranking.seq2slate.averaging import WeightAverage
from ranking.seq2slate.batches import bucketed_batches
from ranking.seq2slate.decoding import decode, greedy_choice, sampled_choice
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.objectives import moving_baseline, path_objective
from ranking.seq2slate.ranked_scores import Decoding, list_ranker
from ranking.seq2slate.settings import Seq2SlateSettings
from seriatim_errors import DataError, TrainingError


@dataclass(frozen=True)
class TrainedSeq2Slate:
    """A trained model (the averaged weights of the best epoch) and one history row an epoch."""

    model: Seq2Slate
    history: list[dict[str, float]]
    settings: Seq2SlateSettings


def train_seq2slate(
    train: RankingLists,
    validation: RankingLists,
    settings: Seq2SlateSettings,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> TrainedSeq2Slate:
    """Train on clicks.

    Args:
        train: lists in base order with standardised features and clicks.
        validation: likewise; its NDCG chooses the epoch. Use requests that are not evaluated on later.
        settings: the training mode and its numbers.
        on_epoch: called with each history row: `step` (epoch), `loss` (mean over batches of L, or of minus
            the reward), `ndcg_at_<reward_cutoff>` on the validation lists that have a click.

    Raises:
        DataError: training and validation lists have other features.
        TrainingError: no list has a click, there is no validation list with one, or training diverges.
    """
    if train.feature_names != validation.feature_names:
        raise DataError(
            f"seq2slate: training lists have the features {', '.join(train.feature_names)}, validation lists "
            f"{', '.join(validation.feature_names)}; give both the same columns"
        )
    train, _ = _clicked_lists(train, "training")
    validation, validation_clicks = _clicked_lists(validation, "validation")
    model = Seq2Slate.from_settings(len(train.feature_names), settings)
    steps = settings.steps or int(train.list_sizes.max())
    trainer = _Trainer(model, settings, steps)
    decoding: Decoding = "one_step" if settings.training == "one_step" else "greedy"
    rank = list_ranker(model, decoding, min(settings.reward_cutoff, steps))
    metric = f"ndcg_at_{settings.reward_cutoff}"
    rng = np.random.default_rng(settings.seed)
    history: list[dict[str, float]] = []
    best, best_weights, best_epoch = -math.inf, model.get_weights(), 0
    for epoch in range(1, settings.epochs + 1):
        batches = bucketed_batches(train.list_sizes, settings.batch_size, rng)
        losses = [float(trainer.step(train.select(batch).padded())) for batch in batches]
        if not (np.isfinite(losses).all() and all(np.isfinite(weight).all() for weight in model.get_weights())):
            raise TrainingError(
                f"seq2slate: loss or weights are not finite in epoch {epoch}; "
                f"lower learning_rate (it is {settings.learning_rate})"
            )
        with trainer.average.in_place():
            values = evaluate_lists(validation, rank(validation), validation_clicks, (settings.reward_cutoff,))
            weights = model.get_weights()
        quality = float(values[metric].mean())
        history.append({"step": epoch, "loss": float(np.mean(losses)), metric: quality})
        if on_epoch is not None:
            on_epoch(history[-1])
        if quality > best:
            best, best_weights, best_epoch = quality, weights, epoch
        elif epoch - best_epoch >= settings.patience:
            break
    model.set_weights(best_weights)
    return TrainedSeq2Slate(model, history, settings)


class _Trainer:
    """One optimiser step, compiled once for all list sizes."""

    def __init__(self, model: Seq2Slate, settings: Seq2SlateSettings, steps: int) -> None:
        self.model, self.settings = model, settings
        self.steps = 1 if settings.training == "one_step" else steps
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, settings.decay_steps, settings.decay_rate
        )
        self.optimizer = tf.keras.optimizers.Adam(schedule)
        self.optimizer.build(model.trainable_variables)
        self.average = WeightAverage(model, settings.weight_averaging)
        self.baseline = tf.Variable(tf.fill([self.steps], math.nan), trainable=False)
        self.counter = tf.Variable(0, dtype=tf.int32, trainable=False)
        self._compiled = tf.function(
            self._step,
            input_signature=[
                tf.TensorSpec([None, None, model.feature_count], tf.float32),
                tf.TensorSpec([None, None], tf.bool),
                tf.TensorSpec([None, None], tf.float32),
            ],
        )

    def step(self, batch: PaddedLists) -> tf.Tensor:
        """Update the weights on one batch and return its mean value before the update."""
        return self._compiled(tf.constant(batch.features), tf.constant(batch.mask), tf.constant(batch.labels))

    def _step(self, features: tf.Tensor, mask: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        learns_from_clicks = self.settings.training != "reinforce"
        if self.settings.training in ("greedy", "one_step"):
            choose = greedy_choice()
        else:
            choose = sampled_choice(tf.stack([tf.constant(self.settings.seed, tf.int32), self.counter.assign_add(1)]))
        with tf.GradientTape() as tape:
            decoded = decode(self.model, features, mask, self.steps, choose, training=learns_from_clicks)
            objective = path_objective(decoded, labels, self.settings, self.baseline)
            total = tf.reduce_mean(objective.surrogate)
            if learns_from_clicks and self.settings.l2 > 0:
                total += self.settings.l2 * tf.add_n([tf.reduce_sum(w**2) for w in self.model.trainable_variables])
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        self.average.update()
        self.baseline.assign(moving_baseline(self.baseline, objective.consequences))
        return tf.reduce_mean(objective.value)


def _clicked_lists(lists: RankingLists, name: str) -> tuple[RankingLists, NDArray[np.float32]]:
    """The lists that have a click, and their clicks; a list without one has zero loss in every mode."""
    if lists.clicks is None or not (lists.clicks > 0).any():
        raise TrainingError(f"seq2slate: no click in the {len(lists)} {name} lists; give a log with clicks")
    has_click = np.bincount(lists.list_index, weights=lists.clicks, minlength=len(lists)) > 0
    return lists.select(has_click), lists.clicks[has_click[lists.list_index]]
