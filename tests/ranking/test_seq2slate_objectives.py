"""What training minimises, against the enumerated gradient of the expected objective."""

import numpy as np
import pytest
import tensorflow as tf

from ranking.seq2slate import Seq2SlateSettings, decode, sampled_choice, slate_loss
from ranking.seq2slate.objectives import moving_baseline, path_objective, slate_gains
from tests.ranking.tiny_seq2slate import (
    ARCHITECTURES,
    all_slates,
    decoded_along,
    random_items,
    slate_probabilities,
    tiny_model,
)

LABELS = np.array([[0.0, 1.0, 0.0, 1.0]])


def flat(gradients):
    return np.concatenate([np.ravel(gradient) for gradient in gradients])


def expectation_gradient(model, items, labels, value_of, sampled_paths):
    """Gradient of `sum_pi p(pi) value(pi)` over all slates.

    With `sampled_paths` the probabilities only weigh, as they do when slates are drawn; otherwise they are
    differentiated as well, which makes it the exact gradient of the expectation of a plain value.
    """
    with tf.GradientTape() as tape:
        decoded = decoded_along(model, items, all_slates(items.shape[1]))
        probability = tf.exp(tf.reduce_sum(decoded.log_probabilities, axis=1))
        probability = tf.stop_gradient(probability) if sampled_paths else probability
        repeated = tf.repeat(tf.constant(labels), len(decoded.order), axis=0)
        expectation = tf.reduce_sum(probability * value_of(decoded, repeated))
    return flat(tape.gradient(expectation, model.trainable_variables))


def settings_of(training, loss="cross_entropy"):
    return Seq2SlateSettings(training=training, loss=loss, hidden_size=4)


def no_baseline():
    return tf.constant(0.0)


def plain_value(settings):
    return lambda decoded, labels: path_objective(decoded, labels, settings, no_baseline()).value


def surrogate(settings, baseline):
    return lambda decoded, labels: (
        path_objective(decoded, labels, settings, tf.fill([decoded.order.shape[1]], baseline)).surrogate
    )


@pytest.mark.parametrize("baseline", [0.0, 0.7, -3.0])
@pytest.mark.parametrize(
    ("training", "loss"), [("sampling", "cross_entropy"), ("sampling", "smooth_hinge"), ("reinforce", "cross_entropy")]
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_surrogate_has_the_enumerated_gradient_for_any_baseline(training, loss, baseline, architecture):
    model, items = tiny_model(**architecture._asdict()), random_items(1, 4)
    settings = settings_of(training, loss)
    exact = expectation_gradient(model, items, LABELS, plain_value(settings), sampled_paths=False)
    estimated = expectation_gradient(model, items, LABELS, surrogate(settings, baseline), sampled_paths=True)
    assert np.abs(exact).max() > 0.01
    np.testing.assert_allclose(estimated, exact, atol=1e-9)


def test_without_the_score_function_term_the_gradient_is_another():
    model, items, settings = tiny_model(), random_items(1, 4), settings_of("sampling")
    exact = expectation_gradient(model, items, LABELS, plain_value(settings), sampled_paths=False)
    pathwise_only = expectation_gradient(model, items, LABELS, plain_value(settings), sampled_paths=True)
    assert np.abs(exact - pathwise_only).max() > 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("training", ["greedy", "one_step"])
def test_paths_taken_as_constant_add_no_score_function_term(training):
    model, items, settings = tiny_model(), random_items(1, 4), settings_of(training)
    assert np.array_equal(
        expectation_gradient(model, items, LABELS, plain_value(settings), sampled_paths=True),
        expectation_gradient(model, items, LABELS, surrogate(settings, 5.0), sampled_paths=True),
    )


def gradient_of_every_slate(model, items, settings, baseline):
    """Each slate's own surrogate gradient with respect to v, `[slates, rho]`, and the slates' probabilities."""
    slates = all_slates(items.shape[1])
    with tf.GradientTape() as tape:
        decoded = decoded_along(model, items, slates)
        labels = tf.repeat(tf.constant(LABELS[:, : items.shape[1]]), len(slates), axis=0)
        value = path_objective(decoded, labels, settings, tf.fill([decoded.order.shape[1]], baseline)).surrogate
    return tape.jacobian(value, model.attention).numpy(), slate_probabilities(decoded)


@pytest.mark.parametrize("training", ["sampling", "reinforce"])
def test_the_mean_over_drawn_slates_matches_enumeration_within_three_standard_errors(training):
    model, items, draws, settings = tiny_model(), random_items(1, 3), 4000, settings_of(training)
    by_slate, probability = gradient_of_every_slate(model, items, settings, 0.0)
    drawn = decode(
        model, tf.repeat(tf.constant(items), draws, axis=0), tf.ones((draws, 3), tf.bool), 3,
        sampled_choice(tf.constant([5, 7])),
    ).order.numpy()  # fmt: skip
    slate_index = (drawn[:, None, :] == all_slates(3)[None, :, :]).all(axis=2).argmax(axis=1)
    sample = by_slate[slate_index]
    error = sample.std(axis=0, ddof=1) / np.sqrt(draws)
    assert (np.abs(sample.mean(axis=0) - probability @ by_slate) < 3 * error).all()


def test_a_baseline_near_the_mean_value_lowers_the_variance_and_leaves_the_mean():
    model, items, settings = tiny_model(), random_items(1, 4), settings_of("reinforce")
    means, variances = [], []
    for baseline in (0.0, -0.7, 5.0):
        by_slate, probability = gradient_of_every_slate(model, items, settings, baseline)
        means.append(probability @ by_slate)
        variances.append((probability @ (by_slate - means[-1]) ** 2).sum())
    np.testing.assert_allclose(means[1:], means[:1] * 2, atol=1e-9)
    assert variances[1] < 0.5 * variances[0] < variances[2]


def test_the_loss_ignores_steps_after_the_last_clicked_item():
    slates = np.array([[2, 0, 1, 3, 4], [2, 4, 3, 1, 0]])
    decoded = decoded_along(tiny_model(), random_items(1, 5), slates)
    labels = tf.repeat(tf.constant([[0.0, 0.0, 1.0, 0.0, 0.0]], tf.float64), 2, axis=0)
    losses = slate_loss(decoded, labels, "cross_entropy").numpy()
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.parametrize("training", ["greedy", "sampling", "reinforce"])
def test_a_list_without_clicks_has_no_loss_and_a_finite_gradient(training):
    model, items = tiny_model(), random_items(1, 4)
    value = expectation_gradient(
        model, items, np.zeros((1, 4)), surrogate(settings_of(training), 0.0), sampled_paths=True
    )
    assert np.array_equal(value, np.zeros_like(value))


def test_the_baseline_starts_at_the_first_batch_mean_and_then_moves_by_a_hundredth():
    first = moving_baseline(tf.fill([2], np.nan), tf.constant([[1.0, 5.0], [3.0, 6.0]]))
    assert first.numpy() == pytest.approx([2, 5.5])
    assert moving_baseline(first, tf.constant([[12.0, 5.5]])).numpy() == pytest.approx([2.1, 5.5])


def test_ndcg_of_a_slate_by_hand():
    labels = tf.constant([[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    order = tf.constant([[1, 0, 2], [0, 1, 2], [1, -1, -1]], tf.int64)
    ideal = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(slate_gains(order, labels, 10).numpy().sum(axis=1), [(1 + 0.5) / ideal, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(slate_gains(order, labels, 2).numpy().sum(axis=1), [1 / ideal, 0, 0], rtol=1e-6)
