"""The pointer network, its losses and its decoding, against enumeration."""

import itertools

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from ranking.lists import RankingLists
from ranking.seq2slate import (
    Seq2Slate,
    Seq2SlateSettings,
    cross_entropy,
    decode,
    export_onnx,
    export_saved_model,
    greedy_choice,
    rank_lists,
    sampled_choice,
    slate_loss,
    smooth_hinge,
    train_seq2slate,
)
from ranking.seq2slate.decoding import forced_choice
from ranking.seq2slate.training import slate_ndcg, training_surrogate
from ranking.standardisation import Standardisation
from seriatim_errors import TrainingError

FEATURES = 3


def tiny_model(seed=0, dtype="float64", hidden_size=4):
    model = Seq2Slate(FEATURES, hidden_size, seed=seed, dtype=dtype)
    # Larger weights than the initial ones, so that probabilities are far from uniform.
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(scale=0.9, size=weight.shape) for weight in model.get_weights()])
    return model


def random_items(batch, list_size, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(batch, list_size, FEATURES)).astype(dtype)


def make_lists(count=24, list_size=8, seed=0):
    """Lists whose clicked items are the two with the largest first feature."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count * list_size, FEATURES)).astype(np.float32)
    first = features[:, 0].reshape(count, list_size)
    clicks = (first >= -np.sort(-first, axis=1)[:, 1:2]).astype(np.float32).ravel()
    return RankingLists(
        request_ids=np.array([f"r{i}" for i in range(count)], dtype=object),
        offsets=np.arange(count + 1) * list_size,
        item_ids=np.array([f"i{i}" for i in range(count * list_size)], dtype=object),
        features=features,
        feature_names=("a", "b", "c"),
        clicks=clicks,
    )


def all_permutations(list_size):
    return np.array(list(itertools.permutations(range(list_size))), np.int64)


def log_probabilities_of(model, items, slates):
    """Log-probability of every slate for the one list `items` `[1, list_size, features]`."""
    repeated = tf.repeat(tf.constant(items), len(slates), axis=0)
    mask = tf.ones(repeated.shape[:2], tf.bool)
    return decode(model, repeated, mask, slates.shape[1], forced_choice(tf.constant(slates)))


@pytest.mark.parametrize("list_size", [1, 2, 4, 5])
def test_probabilities_of_all_permutations_sum_to_one(list_size):
    decoded = log_probabilities_of(tiny_model(), random_items(1, list_size), all_permutations(list_size))
    total = np.exp(decoded.log_probabilities.numpy().sum(axis=1)).sum()
    assert total == pytest.approx(1, abs=1e-12)


def test_one_step_ranking_sorts_by_the_first_logits_and_shares_its_top_with_greedy():
    model, lists = tiny_model(dtype="float32"), make_lists()
    one_step = rank_lists(model, lists, "one_step", 8)
    padded = lists.padded()
    first = decode(model, padded.features, padded.mask, 1, greedy_choice()).logits.numpy()[:, 0]
    np.testing.assert_allclose(one_step.reshape(first.shape), first, atol=1e-5)
    greedy = rank_lists(model, lists, "greedy", 8).reshape(first.shape)
    assert (greedy.argmax(axis=1) == first.argmax(axis=1)).all()


def test_greedy_scores_place_k_items_and_keep_the_rest_in_base_order():
    model, lists = tiny_model(dtype="float32"), make_lists()
    ranked = np.argsort(-rank_lists(model, lists, "greedy", 3).reshape(24, 8), axis=1, kind="stable")
    padded = lists.padded()
    order = decode(model, padded.features, padded.mask, 3, greedy_choice()).order.numpy()
    assert (ranked[:, :3] == order).all()
    assert (np.diff(ranked[:, 3:], axis=1) > 0).all()


def test_results_depend_neither_on_padding_nor_on_batch_mates():
    model = tiny_model()
    items = random_items(3, 6)
    alone = decode(model, items[:1, :4], np.ones((1, 4), bool), 4, greedy_choice())
    mask = np.arange(6)[None, :] < np.array([4, 6, 2])[:, None]
    together = decode(model, items, mask, 6, greedy_choice())
    assert (together.order.numpy()[0, :4] == alone.order.numpy()[0]).all()
    np.testing.assert_allclose(together.logits.numpy()[0, :4, :4], alone.logits.numpy()[0], atol=1e-12)
    for row, size in enumerate((4, 6, 2)):
        chosen = together.order.numpy()[row]
        assert sorted(chosen[:size]) == list(range(size))
        assert (chosen[size:] == -1).all()


def test_permuting_the_input_changes_the_probabilities():
    model, items = tiny_model(), random_items(1, 4)
    forward = decode(model, items, np.ones((1, 4), bool), 1, greedy_choice()).logits.numpy()[0, 0]
    backward = decode(model, items[:, ::-1], np.ones((1, 4), bool), 1, greedy_choice()).logits.numpy()[0, 0]
    assert np.abs(forward - backward[::-1]).max() > 1e-3


def test_sampled_slates_follow_the_models_probabilities():
    model, items = tiny_model(), random_items(1, 3)
    permutations = all_permutations(3)
    expected = np.exp(log_probabilities_of(model, items, permutations).log_probabilities.numpy().sum(axis=1))
    draws = 20_000
    repeated = tf.repeat(tf.constant(items), draws, axis=0)
    order = decode(model, repeated, tf.ones((draws, 3), tf.bool), 3, sampled_choice(tf.constant([1, 2]))).order.numpy()
    observed = np.array([(order == permutation).all(axis=1).mean() for permutation in permutations])
    assert np.abs(observed - expected).max() < 4 * np.sqrt(0.25 / draws)


def enumerated_gradient(model, items, labels, value_of):
    """Gradient of the expectation of `value_of` over all slates, by automatic differentiation of the sum."""
    permutations = all_permutations(items.shape[1])
    with tf.GradientTape() as tape:
        decoded = log_probabilities_of(model, items, permutations)
        probability = tf.exp(tf.reduce_sum(decoded.log_probabilities, axis=1))
        expectation = tf.reduce_sum(probability * value_of(decoded, labels))
    return tape.gradient(expectation, model.trainable_variables)


def two_term_gradient(model, items, labels, baseline, score_term=True):
    """The mean of the two-term estimator over all slates, weighted by their probabilities."""
    permutations = all_permutations(items.shape[1])
    with tf.GradientTape() as tape:
        decoded = log_probabilities_of(model, items, permutations)
        log_p = tf.reduce_sum(decoded.log_probabilities, axis=1)
        value = losses_of(decoded, labels)
        weight = tf.stop_gradient(tf.exp(log_p))
        surrogate = value + (tf.stop_gradient(value - baseline) * log_p if score_term else 0)
        expectation = tf.reduce_sum(weight * surrogate)
    return tape.gradient(expectation, model.trainable_variables)


def losses_of(decoded, labels):
    repeated = tf.repeat(tf.constant(labels), decoded.order.shape[0], axis=0)
    return slate_loss(decoded, repeated, "cross_entropy")


def largest_difference(left, right):
    return max(float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("baseline", [0.0, 0.7, -3.0])
def test_two_term_estimator_equals_the_enumerated_gradient_for_any_baseline(baseline):
    model, items, labels = tiny_model(), random_items(1, 4), np.array([[0.0, 1.0, 0.0, 1.0]])
    exact = enumerated_gradient(model, items, labels, losses_of)
    assert largest_difference(exact, two_term_gradient(model, items, labels, baseline)) < 1e-10


def test_dropping_the_score_function_term_gives_another_gradient():
    model, items, labels = tiny_model(), random_items(1, 4), np.array([[0.0, 1.0, 0.0, 1.0]])
    exact = enumerated_gradient(model, items, labels, losses_of)
    assert largest_difference(exact, two_term_gradient(model, items, labels, 0.0, score_term=False)) > 0.01


def surrogate_gradients(model, items, labels, training, samples, baseline):
    """The mean gradient of the training surrogate over draws for one list, and its standard error."""
    settings = Seq2SlateSettings(training=training, hidden_size=4)
    repeated = tf.repeat(tf.constant(items), samples, axis=0)
    all_labels = tf.repeat(tf.constant(labels), samples, axis=0)
    parts = []
    for chunk in range(10):
        with tf.GradientTape() as tape:
            surrogate, _, _ = training_surrogate(
                model, repeated, tf.ones(all_labels.shape, tf.bool), all_labels, settings,
                items.shape[1], tf.constant([5, chunk]), tf.constant(baseline),
            )  # fmt: skip
        gradients = tape.gradient(surrogate, model.trainable_variables)
        parts.append(np.concatenate([np.ravel(gradient) for gradient in gradients]))
    return np.mean(parts, axis=0), np.std(parts, axis=0, ddof=1) / np.sqrt(len(parts))


@pytest.mark.parametrize("training", ["sampling", "reinforce"])
def test_the_training_surrogate_estimates_the_enumerated_gradient(training):
    model, items, labels = tiny_model(), random_items(1, 3), np.array([[0.0, 1.0, 0.0]])

    def value(decoded, given):
        if training == "sampling":
            return losses_of(decoded, given)
        return -slate_ndcg(decoded.order, tf.repeat(tf.constant(given), decoded.order.shape[0], axis=0), 10)

    exact = np.concatenate([np.ravel(gradient) for gradient in enumerated_gradient(model, items, labels, value)])
    mean, error = surrogate_gradients(model, items, labels, training, samples=4000, baseline=0.5)
    moving = np.abs(exact) > 1e-9
    assert np.quantile((np.abs(mean - exact) / (error + 1e-12))[moving], 0.95) < 4


def test_the_loss_ignores_steps_after_the_last_clicked_item():
    model, items = tiny_model(), random_items(1, 5)
    labels = tf.constant([[0.0, 0.0, 1.0, 0.0, 0.0]])
    slates = np.array([[2, 0, 1, 3, 4], [2, 4, 3, 1, 0]])
    decoded = log_probabilities_of(model, items, slates)
    losses = slate_loss(decoded, tf.repeat(tf.cast(labels, tf.float64), 2, axis=0), "cross_entropy").numpy()
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.parametrize("loss", [cross_entropy, smooth_hinge])
def test_a_list_without_clicks_has_zero_loss_and_a_finite_gradient(loss):
    logits = tf.Variable([[0.3, -0.2, -1e9]])
    with tf.GradientTape() as tape:
        value = loss(logits, tf.constant([[True, True, False]]), tf.zeros((1, 3)))
    assert value.numpy() == 0
    assert np.isfinite(tape.gradient(value, logits).numpy()).all()


def test_the_smooth_hinge_approaches_the_hinge():
    logits = tf.constant([[2.0, -1.0, 0.5, 3.0]])
    labels, remaining = tf.constant([[1.0, 0.0, 1.0, 0.0]]), tf.constant([[True, True, True, True]])
    exact = max(0.0, 1 - 0.5 + 3.0)
    assert smooth_hinge(logits, remaining, labels, 1e-3).numpy()[0] == pytest.approx(exact, abs=1e-2)
    assert smooth_hinge(logits, remaining, labels).numpy()[0] > exact


def test_cross_entropy_spreads_the_target_over_the_remaining_clicked_items():
    logits = tf.constant([[1.0, 0.0, 2.0]])
    remaining, labels = tf.constant([[True, True, True]]), tf.constant([[1.0, 0.0, 1.0]])
    log_p = tf.nn.log_softmax(logits).numpy()[0]
    assert cross_entropy(logits, remaining, labels).numpy()[0] == pytest.approx(-(log_p[0] + log_p[2]) / 2)


@pytest.mark.parametrize("training", ["greedy", "sampling", "one_step", "reinforce"])
def test_every_training_mode_learns_separable_clicks(training):
    settings = Seq2SlateSettings(
        hidden_size=16, training=training, epochs=40, batch_size=16, learning_rate=0.02, dropout=0.0, l2=0.0,
        patience=40, steps=4,
    )  # fmt: skip
    trained = train_seq2slate(make_lists(48), make_lists(48), settings)
    assert trained.history[-1]["step"] <= 40
    assert max(row["ndcg_at_10"] for row in trained.history) > 0.95


def test_training_twice_with_one_seed_gives_equal_weights():
    settings = Seq2SlateSettings(hidden_size=8, training="sampling", epochs=2, batch_size=8, steps=3)
    first, second = (train_seq2slate(make_lists(), make_lists(8, seed=1), settings) for _ in range(2))
    for left, right in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_lists_without_any_click_are_refused_by_name():
    lists = make_lists()
    with pytest.raises(TrainingError, match="no click in the 24 training lists"):
        train_seq2slate(lists.with_clicks(np.zeros(192)), lists, Seq2SlateSettings())


@pytest.mark.parametrize("log1p", [False, True])
def test_the_onnx_graph_decides_as_the_model_for_any_padding_and_batch(tmp_path, log1p):
    model = tiny_model(dtype="float32", hidden_size=8)
    standardisation = Standardisation(
        np.array([1.0, -2.0, 0.5], np.float32), np.array([2.0, 0.1, 1.0], np.float32), log1p
    )
    export_onnx(model, standardisation, 5, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    features = random_items(4, 9, dtype=np.float32)
    mask = np.arange(9)[None, :] < np.array([9, 5, 2, 7])[:, None]
    noise = np.random.default_rng(3).gumbel(size=(4, 5, 9)).astype(np.float32)
    for noise_scale, temperature in ((0, 1.0), (1, 0.5)):
        order, log_p, first = session.run(
            ["order", "log_probabilities", "first_logits"],
            {"features": features, "mask": mask, "noise": noise * noise_scale,
             "temperature": np.array(temperature, np.float32)},
        )  # fmt: skip

        def choose(logits, step, scale=noise_scale, temperature=temperature):
            masked = logits <= -1e8
            return tf.argmax(tf.where(masked, logits, logits / temperature + noise[:, step] * scale), axis=1)

        decoded = decode(model, standardisation.apply(features), mask, 5, choose)
        np.testing.assert_array_equal(order, decoded.order.numpy())
        np.testing.assert_allclose(first[mask], decoded.logits.numpy()[:, 0][mask], atol=1e-4)
        tempered = tf.nn.log_softmax(tf.where(decoded.remaining, decoded.logits / temperature, decoded.logits)).numpy()
        expected = np.take_along_axis(tempered, np.maximum(order, 0)[..., None], axis=2)[..., 0]
        np.testing.assert_allclose(log_p, np.where(order >= 0, expected, 0), atol=1e-4)


def test_the_saved_model_takes_raw_features(tmp_path):
    model = tiny_model(dtype="float32")
    standardisation = Standardisation(np.ones(3, np.float32), np.full(3, 2, np.float32))
    export_saved_model(model, standardisation, 3, tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    features, mask = random_items(2, 4, dtype=np.float32), np.ones((2, 4), bool)
    order = served(features=tf.constant(features), mask=tf.constant(mask))["order"].numpy()
    expected = decode(model, standardisation.apply(features), mask, 3, greedy_choice()).order.numpy()
    np.testing.assert_array_equal(order, expected)
