"""Training under rate constraints: batches, the queue, the four methods, and searches around them."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.rate_constraints import (
    Coverage,
    FitSettings,
    QuantileEstimator,
    RateObjective,
    ScoreQueue,
    ScorerFitter,
    exact_threshold,
    fit_scorer,
    rate_loss,
    realised_rate,
)
from ranking.rate_constraints.batches import needed_positives, representative_weights, stratified_batches
from ranking.rate_constraints.listwise import precision_at_k_in_lists
from ranking.rate_constraints.methods import METHODS, Batch, Implicit, Lagrangian
from ranking.rate_constraints.methods.rates import in_spreads, smooth_rates
from ranking.rate_constraints.outer_search import search_f_beta, search_recall_at_precision
from seriatim_errors import TrainingError

RECALL = RateObjective.precision_at_recall(0.9)
QUICK = FitSettings(epochs=8, batch_size=512, learning_rate=0.03)


def skewed_problem(rows, seed):
    """A tenth positive, in two clusters of which one is far and easy: cross-entropy leans to the easy one."""
    rng = np.random.default_rng(seed)
    labels = (rng.uniform(size=rows) < 0.1).astype(np.float32)
    easy = rng.uniform(size=rows) < 0.7
    features = rng.normal(size=(rows, 3)).astype(np.float32)
    features[:, 0] += labels * np.where(easy, 5.0, 0.3)
    features[:, 1] += labels * np.where(easy, 0.0, 3.0)
    return features, labels


def test_a_high_rate_does_not_turn_an_epoch_into_a_step_for_each_negative():
    labels = (np.arange(4000) < 1000).astype(np.float32)
    batches = list(stratified_batches(labels, 64, 0.99, np.random.default_rng(0)))
    assert len(batches) <= math.ceil(3000 / 32)
    assert all(len(positive) >= 200 for positive, _ in batches)


@pytest.mark.parametrize(("rate", "needed"), [(0.95, 40), (0.05, 40), (0.5, 4), (0.99, 200)])
def test_needed_positives_are_two_over_the_rarer_side(rate, needed):
    assert needed_positives(rate) == needed


@given(share=st.floats(0.01, 0.99), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_batch_weights_give_the_classes_their_shares_of_all_data(share, seed):
    weights = np.random.default_rng(seed).uniform(0.5, 2, 100).astype(np.float32)
    positives, negatives = np.arange(30), np.arange(30, 80)
    batch = representative_weights(weights, share, positives, negatives)
    assert batch.mean() == pytest.approx(1, rel=1e-5)
    assert batch[:30].sum() / batch.sum() == pytest.approx(share, rel=1e-4)
    np.testing.assert_allclose(batch[:30] / weights[:30], batch[0] / weights[0], rtol=1e-4)


def queue_problem():
    rng = np.random.default_rng(2)
    return rng.normal(size=200).astype(np.float32), (rng.uniform(size=200) < 0.4).astype(np.float32)


def test_an_empty_queue_leaves_the_batch_alone():
    scores, labels = queue_problem()
    queue = ScoreQueue(RECALL, 50)
    expected = rate_loss(RECALL, tf.constant(scores), labels).thresholds
    np.testing.assert_allclose(queue.thresholds(tf.constant(scores), labels, tf.ones(200)), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["point", "kernel"])
def test_a_queue_of_all_other_scores_gives_the_threshold_of_all_data(kind):
    scores, labels = queue_problem()
    queue = ScoreQueue(RECALL, 160)
    for start in (40, 80, 120, 160):
        queue.push(tf.constant(scores[start : start + 40]), labels[start : start + 40], tf.ones(40))
    found = queue.thresholds(tf.constant(scores[:40]), labels[:40], tf.ones(40), estimator=QuantileEstimator(kind))
    expected = rate_loss(RECALL, tf.constant(scores), labels, estimator=QuantileEstimator(kind)).thresholds
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["point", "kernel"])
def test_a_queued_threshold_still_moves_with_all_live_scores(kind):
    """Its gradient sums to one although most of the quantile may rest on detached scores."""
    scores, labels = queue_problem()
    queue = ScoreQueue(RECALL, 160)
    queue.push(tf.constant(scores[40:]), labels[40:], tf.ones(160))
    live = tf.constant(scores[:40])
    with tf.GradientTape() as tape:
        tape.watch(live)
        threshold = queue.thresholds(live, labels[:40], tf.ones(40), estimator=QuantileEstimator(kind))
    gradient = tape.gradient(threshold, live).numpy()
    assert gradient.sum() == pytest.approx(1, abs=1e-5)
    assert (gradient[labels[:40] == 0] == 0).all()


def test_the_queue_forgets_the_oldest_first():
    queue = ScoreQueue(RECALL, 3)
    queue.push(tf.constant([1.0, 2.0]), tf.ones(2), tf.ones(2))
    queue.push(tf.constant([3.0, 4.0]), tf.constant([1.0, 0.0]), tf.ones(2))
    np.testing.assert_array_equal(queue.scores, [2, 3, 4])
    np.testing.assert_array_equal(queue.weights, [[1, 1, 0]])


def test_the_implicit_threshold_follows_the_scores_so_that_its_smooth_rate_stays():
    scores, labels = queue_problem()
    batch = Batch(tf.constant(labels), tf.ones(200), tf.zeros(200, tf.int32))
    method = Implicit(RECALL, sharpness=2.0)
    method.start(np.array([-0.7]))
    direction = np.random.default_rng(0).normal(size=200).astype(np.float32)
    live = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(live)
        threshold = method.live(live, batch)
    slope = float(tf.reduce_sum(tape.gradient(threshold, live) * direction))
    step = 1e-2
    sharpness = in_spreads(2.0, live, batch)
    before = smooth_rates(RECALL, live, batch, method.thresholds, sharpness).numpy()
    kept = float(method.thresholds[0])
    moved = tf.constant(scores + step * direction)
    method.after_step(live, batch, lambda: moved)
    assert float(method.thresholds[0]) - kept == pytest.approx(slope * step, rel=0.05)
    after = smooth_rates(RECALL, moved, batch, method.thresholds, sharpness).numpy()
    without = smooth_rates(RECALL, moved, batch, tf.constant([kept]), sharpness).numpy()
    assert abs(after - before)[0] < 0.05 * abs(without - before)[0]


def test_the_implicit_gradient_is_indifferent_to_a_common_shift():
    scores, labels = queue_problem()
    batch = Batch(tf.constant(labels), tf.ones(200), tf.zeros(200, tf.int32))
    method = Implicit(RECALL)
    method.start(np.array([-0.7]))
    live = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(live)
        loss = method.loss(live, batch)
    assert float(tf.reduce_sum(tape.gradient(loss, live))) == pytest.approx(0, abs=1e-6)


def test_multipliers_rise_while_too_few_pass_and_fall_while_too_many_do():
    scores, labels = queue_problem()
    batch = Batch(tf.constant(labels), tf.ones(200), tf.zeros(200, tf.int32))
    method = Lagrangian(RECALL, dual_rate=1.0)
    method.start(np.array([10.0]))
    method.after_step(tf.constant(scores), batch, lambda: tf.constant(scores))
    assert float(method.multipliers[0]) == pytest.approx(0.9)
    method.start(np.array([-10.0]))
    method.after_step(tf.constant(scores), batch, lambda: tf.constant(scores))
    assert float(method.multipliers[0]) == pytest.approx(0.8)


@pytest.fixture(scope="module")
def fits():
    features, labels = skewed_problem(6000, seed=0)
    settings_of = {method: dataclasses.replace(QUICK, method=method, epochs=15) for method in METHODS}
    return {method: fit_scorer(features, labels, RECALL, chosen) for method, chosen in settings_of.items()}


@pytest.mark.parametrize("method", METHODS)
def test_the_threshold_of_every_method_is_exact_on_its_training_scores(fits, method):
    features, labels = skewed_problem(6000, seed=0)
    rate = realised_rate(fits[method].scorer.score(features)[labels > 0], fits[method].thresholds[0])
    assert 0.9 <= rate < 0.9 + 1 / labels.sum()


def precision_on_unseen_data(fit):
    features, labels = skewed_problem(40_000, seed=1)
    scores = fit.scorer.score(features)
    return labels[scores >= exact_threshold(scores[labels > 0], 0.9)].mean()


def test_constrained_methods_are_more_precise_than_cross_entropy_at_the_rate(fits):
    precision = {method: precision_on_unseen_data(fit) for method, fit in fits.items()}
    assert precision["quantile"] > precision["cross_entropy"] + 0.03
    assert precision["implicit"] > precision["cross_entropy"] + 0.03
    assert precision["quantile"] > precision["lagrangian"] - 0.02


def test_the_reported_loss_falls_and_means_the_same_before_and_after_the_warm_start(fits):
    for fit in fits.values():
        losses = [row["loss"] for row in fit.history]
        assert losses[-1] < losses[0]
        # A change of what is descended on shows no jump upwards of what is reported.
        assert max(np.diff(losses)) < 0.15 * losses[0]


def test_small_batches_with_a_queue_come_close_to_large_ones():
    features, labels = skewed_problem(6000, seed=0)
    small = dataclasses.replace(QUICK, batch_size=64, learning_rate=0.01, queue_length=1024)
    queued = fit_scorer(features, labels, RECALL, small)
    large = fit_scorer(features, labels, RECALL, dataclasses.replace(QUICK, epochs=15))
    assert precision_on_unseen_data(queued) > precision_on_unseen_data(large) - 0.03


def test_a_fitter_forgets_its_last_fit():
    features, labels = skewed_problem(1000, seed=3)
    fitter = ScorerFitter(3, RECALL, dataclasses.replace(QUICK, epochs=3, queue_length=16, hidden_sizes=(4,)))
    first = fitter.fit(features, labels)
    kernel = first.scorer.kernels[0].numpy()
    fitter.fit(-features, labels)
    np.testing.assert_array_equal(first.scorer.kernels[0], kernel)
    again = fitter.fit(features, labels)
    np.testing.assert_array_equal(again.scorer.kernels[0], kernel)
    assert again.thresholds == first.thresholds


def test_examples_without_weight_do_not_count():
    features, labels = skewed_problem(1000, seed=4)
    extra = np.concatenate([features, np.full((50, 3), 99, np.float32)])
    weights = np.concatenate([np.ones(1000), np.zeros(50)])
    fitter = ScorerFitter(3, RECALL, dataclasses.replace(QUICK, epochs=3))
    plain, padded = fitter.fit(features, labels), fitter.fit(extra, np.append(labels, np.ones(50)), weights)
    assert plain.thresholds == padded.thresholds


def test_groups_pass_at_their_own_shares():
    features, labels = skewed_problem(3000, seed=5)
    groups = (features[:, 2] > 0).astype(np.int32)
    fit = fit_scorer(features, labels, Coverage((0.1, 0.3)), dataclasses.replace(QUICK, epochs=3), groups=groups)
    scores = fit.scorer.score(features)
    for group, share in enumerate((0.1, 0.3)):
        own = scores[groups == group]
        assert share <= realised_rate(own, fit.thresholds[group]) < share + 1 / len(own)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(100)}, "0 of 100 examples with weight are positive"),
        ({"labels": np.ones(100)}, "100 of 100 examples with weight are positive"),
        ({"features": np.full((100, 3), np.nan)}, "a feature is not finite"),
        ({"settings": dataclasses.replace(QUICK, learning_rate=1e30)}, "not finite"),
        ({"settings": dataclasses.replace(QUICK, method="guess")}, "method is 'guess'"),
        ({"objective": Coverage((0.5, 0.5))}, "no element of the constrained subset"),
    ],
)
def test_what_cannot_be_fitted_is_named(change, message):
    features, labels = skewed_problem(100, seed=6)
    given = {"features": features, "labels": labels, "objective": RECALL, "settings": QUICK} | change
    with pytest.raises(TrainingError, match=message):
        fit_scorer(**given)


def test_constant_features_give_one_finite_score():
    labels = (np.arange(100) % 5 == 0).astype(np.float32)
    fit = fit_scorer(np.zeros((100, 3), np.float32), labels, RECALL, dataclasses.replace(QUICK, epochs=2))
    assert np.isfinite(fit.thresholds).all()
    assert len(set(fit.scorer.score(np.zeros((5, 3), np.float32)))) == 1


@given(seed=st.integers(0, 1000), k=st.integers(1, 8))
@settings(deadline=None, max_examples=25)
def test_the_threshold_of_a_list_is_its_kth_score(seed, k):
    rng = np.random.default_rng(seed)
    scores, sizes = rng.normal(size=(4, 6)), rng.integers(1, 7, 4)
    mask = np.arange(6) < sizes[:, None]
    labels = rng.integers(0, 2, (4, 6)).astype(float)
    found = precision_at_k_in_lists(tf.constant(scores), labels, mask, k)
    for row in range(4):
        own = np.sort(scores[row, : sizes[row]])[::-1]
        assert found.thresholds[row, 0].numpy() == own[min(k, sizes[row]) - 1]
    alone = precision_at_k_in_lists(
        tf.constant(scores[:1, : sizes[0]]), labels[:1, : sizes[0]], mask[:1, : sizes[0]], k
    )
    assert found.loss[0].numpy() == pytest.approx(alone.loss[0].numpy())


@pytest.fixture(scope="module")
def fitter_by_objective():
    features, labels = skewed_problem(3000, seed=0)
    return lambda objective: fit_scorer(features, labels, objective, dataclasses.replace(QUICK, epochs=4))


def test_the_f_beta_search_keeps_the_best_of_what_it_tried(fitter_by_objective):
    features, labels = skewed_problem(3000, seed=1)
    found = search_f_beta(fitter_by_objective, features, labels, beta=1.0, shares=(0.05, 0.1, 0.4))
    passed = found.fit.scorer.score(features) >= found.threshold
    hits = (passed & (labels > 0)).sum()
    assert found.value == pytest.approx(2 * hits / (labels.sum() + passed.sum()))
    assert found.value == max(row["value"] for row in found.tried)
    assert found.objective == RateObjective.precision_at_top(0.1)


def test_the_recall_search_keeps_the_largest_recall_that_is_precise_enough(fitter_by_objective):
    features, labels = skewed_problem(3000, seed=1)
    found = search_recall_at_precision(fitter_by_objective, features, labels, 0.7, recalls=(0.3, 0.6, 0.99))
    good = [row["recall"] for row in found.tried if row["precision"] >= 0.7]
    assert 0 < len(good) < 3
    assert found.value == max(good)
    with pytest.raises(TrainingError, match=r"precision 1\.0 is not reached at any recall tried \(best 0\.\d+\)"):
        search_recall_at_precision(fitter_by_objective, features, labels, 1.0, recalls=(0.99,))


def test_searches_without_candidates_or_positives_are_named(fitter_by_objective):
    features, labels = skewed_problem(100, seed=1)
    with pytest.raises(TrainingError, match="no candidate rate"):
        search_f_beta(fitter_by_objective, features, labels, shares=())
    with pytest.raises(TrainingError, match="no positive"):
        search_f_beta(fitter_by_objective, features, np.zeros(100))
    with pytest.raises(TrainingError, match="beta is 0"):
        search_f_beta(fitter_by_objective, features, labels, beta=0)
