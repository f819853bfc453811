"""Nearness to the placed items, against its formula, and what the decoder gains by it."""

import numpy as np
import pytest
import tensorflow as tf

from ranking.seq2slate import decode, greedy_choice
from ranking.seq2slate.nearness import Nearness
from tests.ranking.tiny_seq2slate import FEATURES, random_items, tiny_model


def layer(levels=2, seed=0):
    built = Nearness(levels, FEATURES, "float64")
    rng = np.random.default_rng(seed)
    built.set_weights([rng.uniform(0.5, 1.5, size=weight.shape) for weight in built.get_weights()])
    return built


def test_nearness_is_the_formula_of_the_nearest_placed_item():
    near, items = layer(), random_items(1, 5)
    coordinates = near.coordinates(tf.constant(items), tf.ones((1, 5), tf.bool))
    state = near.of_nothing_placed(coordinates)
    for chosen in (3, 1):
        state = near.after(coordinates, state, tf.constant([chosen], tf.int64))
    scaled = items[0] * near.feature_scale.numpy()
    pairs = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    unit = np.sort(pairs[np.triu_indices(5, k=1)])[4]
    distance = pairs[:, [3, 1]] / unit
    steepness, reach = np.exp(near.log_steepness.numpy()), near.reach.numpy()
    by_pair = 1 / (1 + np.exp(-steepness * (reach - distance[:, :, None])))
    np.testing.assert_allclose(state.numpy()[0], by_pair.max(axis=1), atol=2e-3)


def test_the_unit_of_distance_ignores_padding_and_the_features_unit():
    near, items = layer(), random_items(1, 6)
    alone = near.coordinates(tf.constant(items[:, :4]), tf.ones((1, 4), tf.bool))
    padded = near.coordinates(tf.constant(items), tf.constant([[True] * 4 + [False] * 2]))
    np.testing.assert_allclose(padded.numpy()[:, :4], alone.numpy())
    larger = near.coordinates(tf.constant(1000 * items[:, :4]), tf.ones((1, 4), tf.bool))
    np.testing.assert_allclose(larger.numpy(), alone.numpy(), rtol=1e-5)


@pytest.mark.parametrize("size", [1, 4])
def test_equal_items_have_finite_nearness_and_gradient(size):
    model = tiny_model(nearness_levels=2)
    items = tf.constant(np.repeat(random_items(1, 1), size, axis=1))
    with tf.GradientTape() as tape:
        decoded = decode(model, items, tf.ones((1, size), tf.bool), size, greedy_choice())
        total = tf.reduce_sum(decoded.logits) + tf.reduce_sum(decoded.log_probabilities)
    gradients = tape.gradient(total, model.trainable_variables, unconnected_gradients="zero")
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)


def test_nothing_chosen_leaves_nearness_as_it_is():
    near, items = layer(), tf.constant(random_items(2, 3))
    coordinates = near.coordinates(items, tf.ones((2, 3), tf.bool))
    before = near.after(coordinates, near.of_nothing_placed(coordinates), tf.constant([0, 1], tf.int64))
    after = near.after(coordinates, before, tf.constant([-1, 2], tf.int64))
    np.testing.assert_array_equal(after.numpy()[0], before.numpy()[0])
    assert (after.numpy()[1] >= before.numpy()[1]).all()
    assert (after.numpy()[1] > before.numpy()[1]).any()


def test_without_levels_there_are_no_weights_and_the_paper_s_decoder_is_unchanged():
    assert not Nearness(0, FEATURES, "float64").get_weights()
    plain, near = tiny_model(), tiny_model(nearness_levels=2)
    by_name = {weight.name: weight for weight in plain.weights}
    for weight in near.weights:
        if weight.name in by_name:
            weight.assign(by_name[weight.name])
    near.nearness_projection.assign(tf.zeros_like(near.nearness_projection))
    items, mask = random_items(2, 4), np.ones((2, 4), bool)
    expected = decode(plain, items, mask, 4, greedy_choice()).logits.numpy()
    np.testing.assert_allclose(decode(near, items, mask, 4, greedy_choice()).logits.numpy(), expected, atol=1e-12)
