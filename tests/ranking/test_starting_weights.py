"""Training that starts from an earlier model's weights, across a change of standardisation."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from ranking.moved_inputs import MovedInputs
from ranking.rate_constraints import GateSettings, train_gate
from ranking.rate_constraints.scorer import Scorer
from ranking.rate_constraints.starting_weights import starting_weights as gate_weights
from ranking.seq2slate import Seq2Slate, Seq2SlateSettings, decode, greedy_choice, train_seq2slate
from ranking.seq2slate.starting_weights import starting_weights as slate_weights
from ranking.standardisation import Standardisation
from tests.ranking.generated_lists import learnable_lists
from tests.ranking.tiny_seq2slate import ARCHITECTURES, FEATURES, clicked_lists, tiny_model

SETTINGS = Seq2SlateSettings(hidden_size=8, steps=2, epochs=1, batch_size=16, learning_rate=1e-2, dropout=0.0)

VARYING = np.zeros(FEATURES, bool)


def standardisation(seed, features=FEATURES):
    rng = np.random.default_rng(seed)
    mean, scale = rng.normal(size=features), rng.uniform(0.3, 3, size=features)
    return Standardisation(mean.astype(np.float32), scale.astype(np.float32))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_a_moved_seq2slate_gives_every_slate_the_logits_it_had(architecture):
    before, now = standardisation(1), standardisation(2)
    settings = Seq2SlateSettings(hidden_size=4, attention_heads=2, **architecture._asdict())
    old = tiny_model(seed=3, dtype="float32", **architecture._asdict())
    weights = slate_weights(old.get_weights(), MovedInputs.between(before, now, VARYING), settings)
    new = Seq2Slate.from_settings(FEATURES, settings)
    new.set_weights(weights)
    raw = np.random.default_rng(4).normal(size=(5, 7, FEATURES)).astype(np.float32)
    mask = tf.constant(np.arange(7)[None, :] < np.array([7, 5, 1, 6, 2])[:, None])
    steps = [
        decode(model, tf.constant(constants.apply(raw)), mask, 4, greedy_choice())
        for model, constants in ((old, before), (new, now))
    ]
    np.testing.assert_array_equal(steps[0].order, steps[1].order)
    shown = np.asarray(steps[0].logits) > -1e8
    difference = np.abs(np.asarray(steps[0].logits) - np.asarray(steps[1].logits))[shown]
    assert difference.max() < 1e-4


@checked(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), hidden=st.sampled_from([(), (5,), (4, 3)]))
def test_a_moved_gate_orders_items_as_it_did(seed, hidden):
    before, now = standardisation(seed), standardisation(seed + 1)
    rng = np.random.default_rng(seed)
    old, new = (Scorer(FEATURES, hidden, 0) for _ in range(2))
    for weight in old.weights:
        weight.assign(rng.normal(size=weight.shape))
    moved = gate_weights([one.numpy() for one in old.weights], MovedInputs.between(before, now, VARYING), hidden)
    for weight, value in zip(new.weights, moved, strict=True):
        weight.assign(value)
    raw = rng.normal(size=(30, FEATURES)).astype(np.float32)
    difference = old.score(before.apply(raw)) - new.score(now.apply(raw))
    # A linear gate has no bias: all of its scores shift alike.
    assert np.ptp(difference) < 1e-4 if not hidden else np.abs(difference).max() < 1e-4


def test_a_column_that_was_constant_keeps_its_weights_as_they_are():
    before = Standardisation(np.array([5.0, 0.0], np.float32), np.array([1.0, 2.0], np.float32))
    now = Standardisation(np.array([900.0, 1.0], np.float32), np.array([1000.0, 4.0], np.float32))
    moved = MovedInputs.between(before, now, np.array([True, False]))
    assert moved.ratio.tolist() == [1.0, 2.0]
    assert moved.shift.tolist() == [0.0, 0.5]


def test_a_column_whose_deviation_is_1_is_moved_like_any_other():
    before = Standardisation(np.zeros(1, np.float32), np.ones(1, np.float32))
    now = Standardisation(np.ones(1, np.float32), np.full(1, 3.0, np.float32))
    moved = MovedInputs.between(before, now, np.array([False]))
    assert (moved.ratio.tolist(), moved.shift.tolist()) == ([3.0], [1.0])


def test_weights_of_other_shapes_are_not_started_from():
    moved = MovedInputs.between(standardisation(0), standardisation(1), VARYING)
    model = Seq2Slate.from_settings(FEATURES, SETTINGS)
    assert slate_weights(model.get_weights(), moved, dataclasses.replace(SETTINGS, hidden_size=4)) is None
    scorer = [weight.numpy() for weight in Scorer(FEATURES, (4,), 0).weights]
    assert gate_weights(scorer, moved, (5,)) is None


@pytest.fixture(scope="module")
def yesterday():
    """Weights from other lists of the same kind."""
    settings = dataclasses.replace(SETTINGS, epochs=12)
    return train_seq2slate(clicked_lists(96, 6, seed=3), clicked_lists(32, 6, seed=2), settings).model.get_weights()


def test_one_epoch_from_earlier_weights_is_better_than_one_from_new_ones_on_the_same_lists(yesterday):
    train, validation = clicked_lists(96, 6, seed=1), clicked_lists(32, 6, seed=2)
    cold = train_seq2slate(train, validation, SETTINGS)
    warm = train_seq2slate(train, validation, SETTINGS, start=yesterday)
    metric = f"ndcg_at_{SETTINGS.reward_cutoff}"
    assert warm.history[-1][metric] > cold.history[-1][metric] + 0.02


def test_training_that_only_harms_leaves_the_weights_it_started_from(yesterday):
    train = clicked_lists(96, 6, seed=1)
    upside_down = train.with_clicks(1 - train.clicks)
    harmed = train_seq2slate(upside_down, clicked_lists(32, 6, seed=2), SETTINGS, start=yesterday)
    for kept, started in zip(harmed.model.get_weights(), yesterday, strict=True):
        np.testing.assert_array_equal(kept, started)


def test_one_epoch_of_a_gate_from_earlier_weights_passes_fewer_items_and_its_folds_begin_anew():
    lists, before, new = (learnable_lists(200, seed) for seed in (1, 3, 5))
    settings = GateSettings(hidden_sizes=(8,), epochs=1, batch_size=256, folds=2, target_recall=0.9)
    earlier = train_gate(before, before.clicks, dataclasses.replace(settings, epochs=20))
    start = [weight.numpy() for weight in earlier.scorer.weights]
    cold, warm = train_gate(lists, lists.clicks, settings), train_gate(lists, lists.clicks, settings, start=start)
    passed = [float(gate.passes(new.features).mean()) for gate in (cold, warm)]
    recalls = [float(gate.passes(new.features)[new.clicks > 0].mean()) for gate in (cold, warm)]
    assert passed[1] < passed[0] - 0.02
    assert min(recalls) > 0.85
    assert warm.promise == cold.promise
    assert warm.threshold != cold.threshold
