"""The fast gradient of training, against automatic differentiation of the readable decoder."""

import numpy as np
import pytest
import tensorflow as tf

from ranking.lists import PaddedLists
from ranking.seq2slate import Seq2SlateSettings, decode, greedy_choice, sampled_choice
from ranking.seq2slate.decoding import walk
from ranking.seq2slate.path_gradient import with_gradient
from ranking.seq2slate.recurrence import lstm_along
from ranking.seq2slate.training_step import TrainingStep
from tests.ranking.tiny_seq2slate import ENCODERS, FEATURES, random_items, tiny_model

MASK = np.arange(6)[None, :] < np.array([6, 4, 1, 0])[:, None]


def items_of_padded_lists():
    return np.where(MASK[:, :, None], random_items(4, 6), 0)


def result_and_gradient(model, decoded_of):
    """A path, and the gradient of a sum that reaches every logit and log-probability of it."""
    weights = tf.constant(np.random.default_rng(1).normal(size=(4, 7, 6)))
    with tf.GradientTape() as tape:
        decoded = decoded_of(tape)
        steps = decoded.order.shape[1]
        logits = tf.where(decoded.eligible, decoded.logits, 0) * weights[:, :steps]
        total = tf.reduce_sum(logits) + tf.reduce_sum(decoded.log_probabilities * weights[:, :steps, 0])
    return decoded, tape.gradient(total, model.trainable_variables)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("steps", [1, 3, 7])
@pytest.mark.parametrize("choose", [greedy_choice(), sampled_choice(tf.constant([3, 4]))], ids=["greedy", "sampled"])
def test_a_walked_path_has_the_values_and_gradient_of_decoding(encoder, steps, choose):
    model, items, mask = tiny_model(encoder=encoder), items_of_padded_lists(), tf.constant(MASK)

    def fast(tape):
        encoded = model.encode(tf.constant(items), mask, training=True)
        with tape.stop_recording():
            walked = walk(tf.function(model.step, jit_compile=True), model, encoded, mask, steps, choose)
        return with_gradient(model, encoded, walked)

    expected = result_and_gradient(model, lambda _: decode(model, items, mask, steps, choose))
    for left, right in zip(tf.nest.flatten(expected), tf.nest.flatten(result_and_gradient(model, fast)), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("list_size", [1, 5])
def test_the_lstm_along_a_sequence_is_the_keras_layer(list_size):
    layer = tf.keras.layers.LSTM(4, return_sequences=True, return_state=True, dtype=tf.float64)
    items, mask = tf.constant(random_items(4, 6)[:, :list_size]), tf.constant(MASK[:, :list_size])
    state = [tf.Variable(random_items(4, 4)[:, :, index] / 2) for index in (0, 1)]
    layer(items)

    def along():
        weights = [tf.convert_to_tensor(weight) for weight in layer.trainable_variables]
        by_place = tf.transpose(items, [1, 0, 2])
        outputs, last = lstm_along(
            by_place, weights, [tf.convert_to_tensor(part) for part in state], tf.transpose(mask)[:, :, None]
        )
        return tf.transpose(outputs, [1, 0, 2]), *last

    results = []
    for run in (lambda: layer(items, mask=mask, initial_state=state), along):
        with tf.GradientTape() as tape:
            outputs, hidden, cell = run()
            outputs = tf.where(mask[:, :, None], outputs, 0)
            total = tf.reduce_sum(outputs**2) + tf.reduce_sum(hidden * cell)
        results.append((outputs, hidden, cell, *tape.gradient(total, [*layer.trainable_variables, *state])))
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("training", ["greedy", "sampling", "reinforce"])
def test_steps_that_no_list_of_the_batch_can_fill_change_nothing(training):
    rng = np.random.default_rng(0)
    batches = [
        PaddedLists(
            rng.normal(size=(8, size, FEATURES)).astype(np.float32),
            np.ones((8, size), bool),
            (rng.random((8, size)) < 0.5).astype(np.float32),
        )
        for size in (3, 5, 4)
    ]
    results = []
    for steps in (5, 9):
        settings = Seq2SlateSettings(training=training, hidden_size=4, dropout=0.0)
        model = tiny_model(dtype="float32")
        step = TrainingStep(model, settings, steps)
        values = [float(step(batch)) for batch in batches]
        results.append([values, step.baseline.numpy()[:5], *model.get_weights()])
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
