"""The one training loop of all rankers that are neural networks."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from ranking.base_rankers.held_out import HELD_OUT_METRIC, held_out_lists, held_out_ndcg
from ranking.base_rankers.network import NetworkRanker, TrainedNetwork
from ranking.base_rankers.network_scoring import built, network_scorer, rows_of
from ranking.base_rankers.training_examples import NO_PART, training_examples
from ranking.lists import RankingLists
from ranking.seq2slate.averaging import WeightAverage
from ranking.seq2slate.batches import bucketed_batches
from ranking.standardisation import Standardisation
from seriatim_errors import DataError, TrainingError


def train_network(plan: NetworkRanker, train: RankingLists, validation: RankingLists | None) -> TrainedNetwork:
    """Train the network of `plan`; see `NetworkRanker.fit`."""
    name = type(plan).__name__
    examples = training_examples(train, plan.label)
    if not train.feature_names:
        raise DataError(f"{name}: the lists have no feature to learn from; give at least one column")
    standardisation = Standardisation.fit(train.features, plan.log1p)
    held_out = None if validation is None else held_out_lists(validation, train.feature_names, plan.label)
    lists = examples.lists.with_features(standardisation.apply(examples.lists.features))
    if held_out is not None:
        held_out = held_out.with_features(standardisation.apply(held_out.features))
    network = built(plan.network(), len(train.feature_names))
    average = WeightAverage(network, plan.weight_averaging)
    step = _training_step(plan, network, average, len(train.feature_names))
    score = network_scorer(network, len(train.feature_names))
    rng = np.random.default_rng(plan.seed)
    history: list[dict[str, float]] = []
    best, best_weights, best_epoch = -math.inf, network.get_weights(), 0
    for epoch in range(1, plan.epochs + 1):
        losses = []
        for chosen in bucketed_batches(lists.list_sizes, plan.batch_size, rng):
            padded = lists.select(chosen).padded()
            labels = np.full(padded.mask.shape, NO_PART, np.float32)
            labels[padded.mask] = examples.labels[rows_of(lists, chosen, padded.mask)]
            batch = (padded.features, padded.mask, labels, examples.list_weights[chosen])
            losses.append(float(step(*(tf.constant(part) for part in batch))))
        if not (np.isfinite(losses).all() and all(np.isfinite(weight).all() for weight in network.get_weights())):
            raise TrainingError(
                f"{name}: loss or weights are not finite in epoch {epoch}; "
                f"lower learning_rate (it is {plan.learning_rate})"
            )
        history.append({"step": float(epoch), "loss": float(np.mean(losses))})
        with average.in_place():
            weights = network.get_weights()
            quality = float(epoch) if held_out is None else held_out_ndcg(held_out, score(held_out), plan.label)
        if held_out is not None:
            history[-1][HELD_OUT_METRIC] = quality
        # Without held-out lists every epoch is better than the one before.
        if quality > best:
            best, best_weights, best_epoch = quality, weights, epoch
        elif epoch - best_epoch >= plan.patience:
            break
    return TrainedNetwork(plan, train.feature_names, standardisation, tuple(best_weights), tuple(history))


def _training_step(
    plan: NetworkRanker, network: tf.keras.Model, average: WeightAverage, features: int
) -> tf.types.experimental.GenericFunction:
    """One optimiser step, compiled once for all list sizes; it returns the loss before the step, without L2."""
    optimizer = tf.keras.optimizers.Adam(plan.learning_rate)
    optimizer.build(network.trainable_variables)
    list_loss = plan.list_loss()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, features]),
            tf.TensorSpec([None, None], tf.bool),
            tf.TensorSpec([None, None]),
            tf.TensorSpec([None]),
        ],
        autograph=False,
    )
    def step(items: tf.Tensor, mask: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        variables = network.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(weights * list_loss(network(items, mask, training=True), labels))
            total = loss
            if plan.l2 > 0:
                total += plan.l2 * tf.add_n([tf.reduce_sum(variable**2) for variable in variables])
        optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        average.update()
        return loss

    return step
