"""A decoder that starts from the base order: before training it keeps it, and it needs fewer lists to learn."""

import numpy as np
import pytest
import tensorflow as tf

from ranking.seq2slate import Seq2SlateSettings, decode, greedy_choice, rank_lists, train_seq2slate
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.starting_logits import FASTER, StartingLogits
from tests.ranking.tiny_seq2slate import FEATURES, clicked_lists, random_items, tiny_model


def test_the_logits_are_the_formula():
    starting = StartingLogits(2, "float64")
    np.testing.assert_allclose(starting.by_rank(4), -np.log([1, 2, 3, 4]))
    starting.order.assign(0.25)
    starting.near.assign([0.1, -0.3])
    np.testing.assert_allclose(starting.by_rank(4), -2.5 * np.log([1, 2, 3, 4]))
    nearness = np.random.default_rng(0).uniform(size=(2, 3, 2))
    np.testing.assert_allclose(starting.by_nearness(tf.constant(nearness)), nearness @ [1.0, -3.0])


@pytest.mark.parametrize("levels", [0, 3])
def test_an_untrained_model_keeps_the_base_order(levels):
    lists = clicked_lists()
    model = Seq2Slate(FEATURES, 8, nearness_levels=levels, from_base_order=True)
    order = lists.descending_order(rank_lists(model, lists, "greedy", 8))
    np.testing.assert_array_equal(order, np.arange(len(order)))


def test_they_are_added_to_the_logits_of_every_step():
    model = tiny_model(nearness_levels=2, from_base_order=True)
    starting = model.starting_logits
    encoded = model.encode(random_items(1, 4), np.ones((1, 4), bool))
    states = [model.placed(encoded, model.first_state(encoded), tf.constant([chosen], tf.int64)) for chosen in (2, 0)]
    expected = [(starting.by_rank(4) + starting.by_nearness(state.nearness)).numpy() for state in states]
    with_them = [model.step(encoded, state)[0].numpy() for state in states]
    starting.set_weights([np.zeros_like(weight) for weight in starting.get_weights()])
    without = [model.step(encoded, state)[0].numpy() for state in states]
    np.testing.assert_allclose(np.subtract(with_them, without), expected, atol=1e-12)


def test_the_first_dislike_is_the_one_of_the_highest_quality():
    starting = StartingLogits(2, "float64")
    starting.start_near(lambda: -abs(float(tf.reduce_sum(starting.near)) * FASTER + 4))
    np.testing.assert_allclose(starting.near.numpy() * FASTER, [-2, -2])
    StartingLogits(0, "float64").start_near(lambda: 1 / 0)


def test_a_start_that_training_cannot_improve_on_is_kept():
    lists = clicked_lists(12).reordered(clicked_lists(12).features[:, 0].astype(np.float64))
    settings = Seq2SlateSettings(hidden_size=4, epochs=2, steps=2, learning_rate=1e-9, from_base_order=True)
    trained = train_seq2slate(lists, lists, settings)
    order = lists.descending_order(rank_lists(trained.model, lists, "greedy", 2))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    assert len(trained.history) == 2


def test_it_needs_fewer_lists_where_the_base_order_is_nearly_right():
    train, validation, test = (clicked_lists(count, seed=count) for count in (6, 12, 200))
    # The clicked items stand first but for one swap in each list.
    first = [lists.features[:, 0] + np.random.default_rng(0).normal(scale=0.4, size=len(lists.item_ids)) for lists in
             (train, validation, test)]  # fmt: skip
    train, validation, test = (
        lists.reordered(key) for lists, key in zip((train, validation, test), first, strict=True)
    )
    hits = {}
    for starts in (True, False):
        settings = Seq2SlateSettings(
            hidden_size=8, epochs=5, batch_size=6, learning_rate=3e-3, steps=2, from_base_order=starts
        )
        scores = rank_lists(train_seq2slate(train, validation, settings).model, test, "greedy", 2)
        clicked = test.clicks[test.descending_order(scores)].reshape(200, 8)
        hits[starts] = clicked[:, :2].mean()
    assert hits[True] > hits[False] + 0.1


def test_its_slates_are_those_of_greedy_decoding():
    model = tiny_model(from_base_order=True)
    decoded = decode(model, random_items(3, 5), np.ones((3, 5), bool), 5, greedy_choice())
    np.testing.assert_array_equal(np.sort(decoded.order, axis=1), np.tile(np.arange(5), (3, 1)))
