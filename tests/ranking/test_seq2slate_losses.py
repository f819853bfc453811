"""The losses of one step, against their definitions."""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.reranker_choices import StepLoss
from ranking.seq2slate import cross_entropy, slate_loss, smooth_hinge
from ranking.seq2slate.decoding import Decoded
from ranking.seq2slate.losses import STEP_LOSSES, step_losses

EVERYTHING = [True, True, True, True]


def test_every_loss_can_be_chosen_and_every_choice_has_its_loss():
    assert tuple(STEP_LOSSES) == get_args(StepLoss)


@pytest.mark.parametrize("loss", STEP_LOSSES.values(), ids=STEP_LOSSES)
@pytest.mark.parametrize("remaining", [[True, True, False], [False, False, False]])
def test_a_step_without_a_clicked_item_has_zero_loss_and_a_finite_gradient(loss, remaining):
    logits = tf.Variable([[0.3, -0.2, -1e9]])
    with tf.GradientTape() as tape:
        value = loss(logits, tf.constant([remaining]), tf.zeros((1, 3)))
    assert value.numpy() == 0
    assert np.isfinite(tape.gradient(value, logits).numpy()).all()


def test_the_hinge_is_zero_when_only_clicked_items_remain():
    value = smooth_hinge(tf.constant([[1.0, 2.0]]), tf.constant([[True, True]]), tf.ones((1, 2)))
    assert value.numpy() == 0


@given(st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4), st.floats(1e-3, 2))
@settings(deadline=None)
def test_the_smooth_hinge_bounds_the_hinge_and_approaches_it(logits, gamma):
    labels = tf.constant([[1.0, 0.0, 1.0, 0.0]])
    exact = max(0.0, 1 - min(logits[0], logits[2]) + max(logits[1], logits[3]))
    smooth = smooth_hinge(tf.constant([logits]), tf.constant([EVERYTHING]), labels, gamma).numpy()[0]
    # Two soft extremes of two values and one softplus: each at most gamma log 2 above the hard form.
    assert exact - 1e-4 <= smooth <= exact + 3 * gamma * np.log(2) + 1e-4


@given(
    logits=st.lists(st.floats(-20, 20, width=32), min_size=5, max_size=5),
    labels=st.lists(st.sampled_from([0.0, 1.0]), min_size=5, max_size=5),
    remaining=st.lists(st.booleans(), min_size=5, max_size=5),
)
@settings(deadline=None)
def test_cross_entropy_spreads_the_target_over_the_remaining_clicked_items(logits, labels, remaining):
    rows = [i for i in range(5) if remaining[i]]
    masked = tf.where(tf.constant([remaining]), tf.constant([logits], tf.float64), tf.constant(-1e9, tf.float64))
    value = cross_entropy(masked, tf.constant([remaining]), tf.constant([labels], tf.float64)).numpy()[0]
    clicked = [i for i in rows if labels[i]]
    expected = 0.0
    if clicked:
        log_total = np.log(np.sum(np.exp([logits[i] for i in rows])))
        expected = -np.mean([logits[i] - log_total for i in clicked])
    assert value == pytest.approx(expected, abs=1e-9)


def test_an_item_that_cannot_be_chosen_adds_nothing_to_cross_entropy():
    logits, remaining = tf.constant([[1.0, 1.0, -np.inf]]), tf.constant([[True, True, False]])
    value = cross_entropy(logits, remaining, tf.constant([[1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(value, [np.log(2)], rtol=1e-6)


@pytest.mark.parametrize("loss", STEP_LOSSES)
def test_slates_may_be_shorter_than_their_lists(loss):
    eligible = np.array([[[True, True, True, True], [False, True, True, True]]])
    logits = tf.constant(np.where(eligible, 0.5, -1e9))
    decoded = Decoded(tf.constant([[0, 1]], tf.int64), tf.zeros((1, 2), tf.float64), logits, tf.constant(eligible))
    found = step_losses(decoded, tf.constant([[0.0, 1.0, 0.0, 0.0]]), loss)
    alone = [
        STEP_LOSSES[loss](logits[:, step], eligible[:, step], tf.constant([[0.0, 1.0, 0.0, 0.0]], tf.float64))
        for step in (0, 1)
    ]
    np.testing.assert_allclose(found, np.stack(alone, axis=1) / np.log([2, 3]))


def test_step_j_weighs_one_over_the_logarithm_of_j_plus_one():
    # With even logits a step's cross-entropy is the logarithm of how many items remain, while a clicked one does.
    eligible = np.array([[[True, True, True], [False, True, True], [False, False, True]]] * 2)
    logits = tf.constant(np.where(eligible, 0.5, -1e9))
    order = tf.constant([[0, 1, 2], [0, 1, 2]], tf.int64)
    decoded = Decoded(order, tf.zeros((2, 3), tf.float64), logits, tf.constant(eligible))
    labels = tf.constant([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    by_step = np.array([[np.log(3) / np.log(2), np.log(2) / np.log(3), 0.0], [np.log(3) / np.log(2), 0.0, 0.0]])
    np.testing.assert_allclose(step_losses(decoded, labels, "cross_entropy"), by_step)
    np.testing.assert_allclose(slate_loss(decoded, labels, "cross_entropy"), by_step.sum(axis=1))
    # Even logits again: of m clicked and n other items the hinge is softplus(1 + log m + log n), of none it is 0.
    hinges = np.array([[np.log1p(2 * np.e), np.log1p(np.e), 0.0], [np.log1p(2 * np.e), 0.0, 0.0]])
    np.testing.assert_allclose(step_losses(decoded, labels, "smooth_hinge"), hinges / np.log([2, 3, 4]))


def test_the_smooth_hinge_is_its_formula_over_the_items_that_remain():
    logits = np.array([[1.2, 0.4, -0.3, -9.0, 2.0, 9.0], [1.2, 0.4, -0.3, -9.0, 2.0, 9.0]])
    labels = np.array([[1.0, 0.0, 1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]])
    remaining = np.array([[True, True, True, False, True, False]] * 2)
    gamma = 0.5
    highest = gamma * np.log(np.exp(0.4 / gamma) + np.exp(2.0 / gamma))
    lowest = -gamma * np.log(np.exp(-1.2 / gamma) + np.exp(0.3 / gamma))
    expected = gamma * np.log1p(np.exp((1 + highest - lowest) / gamma))
    found = smooth_hinge(tf.constant(logits), tf.constant(remaining), tf.constant(labels), gamma)
    np.testing.assert_allclose(found, [expected, 0.0])
