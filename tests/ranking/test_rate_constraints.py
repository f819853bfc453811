"""Rate constraints: quantiles that carry gradients, thresholds that keep their promise."""

import math

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from ranking.lists import RankingLists
from ranking.rate_constraints import (
    GateSettings,
    exact_threshold,
    export_gate_onnx,
    export_gate_saved_model,
    interval_weights,
    kernel_weights,
    point_weights,
    precision_at_recall,
    quantile,
    realised_rate,
    train_gate,
)
from ranking.rate_constraints.batches import needed_positives, stratified_batches
from ranking.standardisation import Standardisation
from seriatim_errors import TrainingError

ESTIMATORS = {
    "point": point_weights,
    "interval": lambda count, level: interval_weights(count, level, 0.03),
    "kernel": lambda count, level: kernel_weights(count, level, 0.03),
}
counts, levels = st.integers(1, 300), st.floats(0.0, 1.0)


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(deadline=None)
@given(count=counts, level=levels)
def test_estimator_weights_are_a_distribution(name, count, level):
    weights = ESTIMATORS[name](count, level)
    assert weights.shape == (count,)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(deadline=None)
@given(count=st.integers(2, 60), low=levels, high=levels)
def test_estimates_rise_with_the_level(name, count, low, high):
    low, high = sorted((low, high))
    scores = np.sort(np.random.default_rng(count).normal(size=count))
    assert scores @ ESTIMATORS[name](count, low) <= scores @ ESTIMATORS[name](count, high) + 1e-9


@settings(deadline=None)
@given(count=counts, level=st.floats(0.01, 0.99))
def test_the_kernel_becomes_the_point_estimator_as_its_bandwidth_vanishes(count, level):
    if abs(level * count - round(level * count)) < 1e-3:
        return  # On the boundary between two order statistics both are right.
    np.testing.assert_allclose(kernel_weights(count, level, 1e-9), point_weights(count, level), atol=1e-9)


@given(scale=st.floats(0.1, 10), shift=st.floats(-10, 10))
@settings(deadline=None, max_examples=25)
def test_a_quantile_moves_with_its_scores(scale, shift):
    scores = np.random.default_rng(0).normal(size=50)
    weights = kernel_weights(50, 0.2, 0.05)
    moved = quantile(tf.constant(scale * scores + shift), weights).numpy()
    assert moved == pytest.approx(scale * quantile(tf.constant(scores), weights).numpy() + shift, abs=1e-9)


def test_the_normalised_kernel_is_nearly_unbiased_where_mass_would_leave_the_interval():
    rng = np.random.default_rng(0)
    estimates = [np.sort(rng.normal(size=1000)) @ kernel_weights(1000, 0.05, 0.025) for _ in range(200)]
    assert np.mean(estimates) == pytest.approx(-1.645, abs=0.05)


@given(count=st.integers(1, 400), rate=st.floats(0.01, 1.0))
@settings(deadline=None)
def test_the_exact_threshold_passes_the_smallest_share_not_below_the_rate(count, rate):
    scores = np.random.default_rng(count).permutation(count).astype(float)
    realised = realised_rate(scores, exact_threshold(scores, rate))
    assert rate - 1e-9 <= realised < rate + 1 / count + 1e-9


def test_rounding_does_not_let_one_more_pass():
    assert realised_rate(np.arange(30.0), exact_threshold(np.arange(30.0), 0.1)) == pytest.approx(0.1)


def test_an_empty_subset_is_a_named_error():
    with pytest.raises(TrainingError, match="the constrained subset is empty"):
        exact_threshold(np.zeros(0), 0.9)


def objective(scores, positives, weights):
    return precision_at_recall(scores[:positives], scores[positives:], weights)


def test_gradients_flow_through_the_threshold_and_sum_to_zero():
    rng = np.random.default_rng(3)
    scores = tf.Variable(rng.normal(size=40))
    weights = kernel_weights(15, 0.1, 0.05)
    with tf.GradientTape() as tape:
        loss = objective(scores, 15, weights)
    gradient = tape.gradient(loss, scores).numpy()
    assert gradient.sum() == pytest.approx(0, abs=1e-12)
    step = 1e-6
    for index in range(40):
        moved = scores.numpy()
        moved[index] += step
        higher = objective(tf.constant(moved), 15, weights).numpy()
        moved[index] -= 2 * step
        lower = objective(tf.constant(moved), 15, weights).numpy()
        assert gradient[index] == pytest.approx((higher - lower) / (2 * step), abs=1e-6)


def test_the_loss_bounds_the_share_of_negatives_that_pass():
    rng = np.random.default_rng(4)
    for _ in range(50):
        positive, negative = rng.normal(size=30), rng.normal(size=80)
        weights = point_weights(30, 0.1)
        threshold = np.sort(positive) @ weights
        loss = precision_at_recall(tf.constant(positive), tf.constant(negative), weights).numpy()
        assert loss >= math.log(2) * np.mean(negative >= threshold)


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32])
def test_constant_scores_give_the_loss_at_zero(dtype):
    positive, negative = tf.zeros(20, dtype), tf.zeros(50, dtype)
    loss = precision_at_recall(positive, negative, kernel_weights(20, 0.05, 0.02))
    assert float(loss) == pytest.approx(math.log(2), rel=1e-2)


def test_a_detached_threshold_is_much_worse():
    """Without its gradient the threshold follows the scores, which drift down together."""
    features, labels = imbalanced_problem(4000, seed=0)
    held_out, held_labels = imbalanced_problem(4000, seed=1)
    positive, negative = features[labels > 0], features[labels <= 0]
    weights = kernel_weights(len(positive), 0.05, 0.025)

    def trained(detached):
        kernel = tf.Variable(np.full((features.shape[1], 1), 0.1), dtype=tf.float64)
        optimizer = tf.keras.optimizers.Adam(0.05)
        for _ in range(150):
            with tf.GradientTape() as tape:
                high, low = tf.matmul(positive, kernel)[:, 0], tf.matmul(negative, kernel)[:, 0]
                threshold = quantile(high, weights)
                threshold = tf.stop_gradient(threshold) if detached else threshold
                loss = tf.reduce_mean(tf.nn.softplus(low - threshold)) + 1e-3 * tf.reduce_sum(kernel**2)
            optimizer.apply_gradients([(tape.gradient(loss, kernel), kernel)])
        scores = (held_out @ kernel.numpy())[:, 0]
        passed = scores >= exact_threshold((positive @ kernel.numpy())[:, 0], 0.95)
        return (passed & (held_labels > 0)).sum() / passed.sum()

    assert trained(detached=False) > 1.5 * trained(detached=True)


def imbalanced_problem(rows, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.uniform(size=rows) < 0.1).astype(np.float32)
    return rng.normal(size=(rows, 5)) + labels[:, None] * np.array([1.5, 1.0, 0.5, 0.0, 0.0]), labels


@given(rate=st.floats(0.5, 0.99), share=st.floats(0.02, 0.5))
@settings(deadline=None, max_examples=30)
def test_batches_hold_enough_positives_and_every_negative_once(rate, share):
    rng = np.random.default_rng(0)
    labels = (rng.uniform(size=3000) < share).astype(np.float32)
    batches = list(stratified_batches(labels, 256, rate, rng))
    enough = min(needed_positives(rate), int(labels.sum()))
    assert all(len(positive) >= enough for positive, _ in batches)
    assert all((labels[positive] > 0).all() for positive, _ in batches)
    negatives = np.sort(np.concatenate([negative for _, negative in batches]))
    np.testing.assert_array_equal(negatives, np.flatnonzero(labels <= 0))


def as_lists(features, items=10):
    requests = len(features) // items
    features = np.asarray(features[: requests * items], np.float32)
    return RankingLists(
        request_ids=np.array([f"r{index}" for index in range(requests)], dtype=object),
        offsets=np.arange(requests + 1) * items,
        item_ids=np.array([f"i{index}" for index in range(requests * items)], dtype=object),
        features=features,
        feature_names=tuple(f"f{index}" for index in range(features.shape[1])),
    )


@pytest.fixture(scope="module")
def gate():
    features, labels = imbalanced_problem(12_000, seed=2)
    return train_gate(as_lists(features), labels, GateSettings(target_recall=0.9, epochs=8))


def test_the_gate_keeps_its_promise_on_unseen_requests(gate):
    features, labels = imbalanced_problem(400_000, seed=9)
    recall = gate.passes(features.astype(np.float32))[labels > 0].mean()
    assert recall == pytest.approx(0.9, abs=0.02)
    assert gate.promise.low <= 0.9 <= gate.promise.high
    assert gate.promise.recall == pytest.approx(0.9, abs=1 / gate.promise.positives)


def test_the_gate_is_as_precise_as_the_best_direction(gate):
    features, labels = imbalanced_problem(40_000, seed=9)
    passed = gate.passes(features.astype(np.float32))
    best = features @ np.array([1.5, 1.0, 0.5, 0.0, 0.0])
    best_passed = best >= exact_threshold(best[labels > 0], 0.9)
    precision, best_precision = (labels[chosen].mean() for chosen in (passed, best_passed))
    assert precision > best_precision - 0.02


def test_a_perceptron_learns_what_no_line_separates():
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, size=(6000, 2)).astype(np.float32)
    labels = (np.hypot(features[:, 0], features[:, 1]) < 0.5).astype(np.float32)
    precision = {}
    for hidden in ((), (16,)):
        gate = train_gate(
            as_lists(features), labels, GateSettings(hidden_sizes=hidden, epochs=15, folds=2, batch_size=256)
        )
        precision[hidden] = labels[gate.passes(features)].mean()
    assert precision[(16,)] > precision[()] + 0.3


def test_separable_data_reach_precision_one_at_the_recall():
    rng = np.random.default_rng(1)
    labels = (rng.uniform(size=4000) < 0.2).astype(np.float32)
    features = (labels[:, None] * 6 + rng.normal(size=(4000, 2)) * 0.3).astype(np.float32)
    gate = train_gate(as_lists(features), labels, GateSettings(epochs=10))
    passed = gate.passes(features)
    assert labels[passed].mean() == 1.0
    assert passed[labels > 0].mean() >= 0.94


def test_real_tabular_data_keep_the_promise_across_splits():
    data = load_breast_cancer()
    features = Standardisation.fit(data.data.astype(np.float32)).apply(data.data.astype(np.float32))
    order = np.random.default_rng(0).permutation(len(features))
    train, held_out = order[:380], order[380:]
    labels = data.target.astype(np.float32)
    gate = train_gate(as_lists(features[train], items=1), labels[train], GateSettings(epochs=30, batch_size=64))
    assert gate.passes(features[held_out])[labels[held_out] > 0].mean() == pytest.approx(0.95, abs=0.04)


def test_one_seed_gives_one_gate():
    features, labels = imbalanced_problem(2000, seed=5)
    first, second = (train_gate(as_lists(features), labels, GateSettings(epochs=2)) for _ in range(2))
    assert first.threshold == second.threshold
    np.testing.assert_array_equal(first.scorer.score(features[:50]), second.scorer.score(features[:50]))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(200, np.float32), "0 requests have a positive item, fewer than gate.folds = 5"),
        (np.ones(200, np.float32), "every item is positive"),
    ],
)
def test_labels_that_leave_nothing_to_learn_are_named(labels, message):
    features = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(TrainingError, match=message):
        train_gate(as_lists(features), labels, GateSettings())


@pytest.mark.parametrize("hidden", [(), (8, 4)])
def test_the_exports_score_raw_features_as_the_gate_does(tmp_path, hidden):
    features, labels = imbalanced_problem(1000, seed=6)
    raw = (features * 3 + 7).astype(np.float32)
    standardisation = Standardisation(np.full(5, 7, np.float32), np.full(5, 3, np.float32))
    gate = train_gate(
        as_lists(standardisation.apply(raw)), labels, GateSettings(hidden_sizes=hidden, epochs=2, folds=2)
    )
    export_gate_onnx(gate, standardisation, tmp_path / "gate.onnx")
    export_gate_saved_model(gate, standardisation, tmp_path / "saved")
    expected = gate.scorer.score(standardisation.apply(raw))
    session = onnxruntime.InferenceSession(str(tmp_path / "gate.onnx"))
    np.testing.assert_allclose(session.run(["scores"], {"features": raw})[0], expected, atol=1e-4)
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"](features=tf.constant(raw))
    np.testing.assert_allclose(served["scores"].numpy(), expected, atol=1e-4)
    assert (served["passes"].numpy() == gate.passes(standardisation.apply(raw))).mean() > 0.999
