"""Objectives under rate constraints: gradients through the thresholds, bounds, weights, masks and leading axes."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.rate_constraints import (
    Coverage,
    QuantileEstimator,
    RateObjective,
    exact_threshold,
    exact_thresholds,
    kernel_weights,
    point_weights,
    precision_at_recall,
    quantile,
    rate_loss,
    realised_rate,
    subset_quantile,
)
from seriatim_errors import TrainingError

OBJECTIVES = {
    "precision at recall": RateObjective.precision_at_recall(0.8),
    "recall at false alarms": RateObjective.recall_at_false_alarms(0.2),
    "precision at top": RateObjective.precision_at_top(0.3),
    "accuracy at top": RateObjective.accuracy_at_top(0.3),
    "area under precision": RateObjective.area_under_precision(0.5, points=3),
    "coverage": Coverage((0.3, 0.6)),
    "accuracy at top, softplus": RateObjective.accuracy_at_top(0.3, "softplus"),
    "coverage, softplus": Coverage((0.3, 0.6), "softplus"),
}
AT_THRESHOLD = {"softplus": math.log(2), "sigmoid": 0.5}
ESTIMATORS = [QuantileEstimator("point"), QuantileEstimator("interval"), QuantileEstimator("kernel")]
seeds = st.integers(0, 2**16)


def problem(seed, items=40):
    """Scores, labels, integer weights and two groups, each of which holds both labels."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(items) % 3 == 0).astype(np.float64)
    return rng.normal(size=items), labels, rng.integers(1, 4, items).astype(np.float64), np.arange(items) % 2


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.kind)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_finite_differences_and_sum_to_zero(name, estimator):
    scores, labels, weights, groups = problem(3)
    live = tf.constant(scores)

    def loss(values):
        return rate_loss(OBJECTIVES[name], tf.constant(values), labels, weights, groups, estimator).loss.numpy()

    with tf.GradientTape() as tape:
        tape.watch(live)
        value = rate_loss(OBJECTIVES[name], live, labels, weights, groups, estimator).loss
    gradient = tape.gradient(value, live).numpy()
    assert np.abs(gradient).max() > 1e-3
    assert gradient.sum() == pytest.approx(0, abs=1e-12)
    step = 1e-6
    for index in range(len(scores)):
        change = step * (np.arange(len(scores)) == index)
        difference = (loss(scores + change) - loss(scores - change)) / (2 * step)
        assert gradient[index] == pytest.approx(difference, abs=1e-7)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.kind)
@pytest.mark.parametrize("name", OBJECTIVES)
@given(seed=seeds)
@settings(deadline=None, max_examples=10)
def test_weights_act_as_replication(name, estimator, seed):
    scores, labels, weights, groups = problem(seed)
    copies = np.repeat(np.arange(len(scores)), weights.astype(int))
    weighted = rate_loss(OBJECTIVES[name], tf.constant(scores), labels, weights, groups, estimator)
    replicated = rate_loss(
        OBJECTIVES[name], tf.constant(scores[copies]), labels[copies], None, groups[copies], estimator
    )
    np.testing.assert_allclose(weighted.thresholds, replicated.thresholds, atol=1e-9)
    assert weighted.loss.numpy() == pytest.approx(replicated.loss.numpy(), abs=1e-9)


@pytest.mark.parametrize("name", OBJECTIVES)
@given(seed=seeds)
@settings(deadline=None, max_examples=10)
def test_exact_thresholds_meet_each_rate_as_closely_as_the_subset_allows(name, seed):
    scores, labels, weights, groups = problem(seed)
    objective = OBJECTIVES[name]
    subsets = np.broadcast_to(
        objective.subsets(tf.constant(labels), groups).numpy() > 0, (len(objective.rates), len(scores))
    )
    plain = exact_thresholds(objective, scores, labels, None, groups)
    weighted = exact_thresholds(objective, scores, labels, weights, groups)
    for inside, rate, threshold, heavy in zip(subsets, objective.rates, plain, weighted, strict=True):
        assert rate - 1e-9 <= realised_rate(scores[inside], threshold) < rate + 1 / inside.sum()
        own = weights[inside]
        assert rate - 1e-9 <= realised_rate(scores[inside], heavy, own) < rate + own.max() / own.sum()


@given(seed=seeds, rate=st.floats(0.01, 1.0))
@settings(deadline=None)
def test_the_weighted_exact_threshold_is_that_of_replicated_scores(seed, rate):
    rng = np.random.default_rng(seed)
    scores, copies = rng.integers(0, 8, 20).astype(float), rng.integers(0, 4, 20)
    copies[0] = 1
    assert exact_threshold(scores, rate, copies) == exact_threshold(np.repeat(scores, copies), rate)


def test_precision_at_recall_is_the_same_loss_in_both_of_its_forms():
    scores, labels, _, _ = problem(7)
    positive, negative = scores[labels > 0], scores[labels == 0]
    weights = kernel_weights(len(positive), 0.2, 0.1)
    expected = precision_at_recall(tf.constant(positive), tf.constant(negative), weights).numpy()
    objective = RateObjective.precision_at_recall(0.8, "softplus")
    narrow = QuantileEstimator("kernel", bandwidth=0.5)
    found = rate_loss(objective, tf.constant(scores), labels, estimator=narrow).loss.numpy()
    assert found == pytest.approx(expected)


@given(count=st.integers(1, 80), level=st.floats(0.01, 0.99))
@settings(deadline=None, max_examples=40)
def test_the_point_estimate_is_the_order_statistic_of_the_subset_alone(count, level):
    rng = np.random.default_rng(count)
    scores, inside = rng.normal(size=count + 30), np.arange(count + 30) < count
    found = subset_quantile(tf.constant(scores), inside.astype(float), tf.constant(level), QuantileEstimator("point"))
    if abs(level * count - round(level * count)) > 1e-3:
        assert found.numpy() == np.sort(scores[:count]) @ point_weights(count, level)


def test_one_recall_on_a_grid_is_precision_at_that_recall():
    scores, labels, weights, _ = problem(5)
    grid = rate_loss(RateObjective.area_under_precision(0.8, points=1), tf.constant(scores), labels, weights)
    point = rate_loss(RateObjective.precision_at_recall(0.9), tf.constant(scores), labels, weights)
    assert grid.loss.numpy() == point.loss.numpy()


def test_the_area_is_the_mean_over_its_recalls():
    scores, labels, weights, _ = problem(6)
    objective = RateObjective.area_under_precision(0.5, points=4)
    parts = [
        rate_loss(RateObjective.precision_at_recall(rate), tf.constant(scores), labels, weights).loss.numpy()
        for rate in objective.rates
    ]
    assert rate_loss(objective, tf.constant(scores), labels, weights).loss.numpy() == pytest.approx(np.mean(parts))


@given(seed=seeds, k=st.integers(1, 39))
@settings(deadline=None, max_examples=25)
def test_precision_at_top_passes_exactly_k_examples(seed, k):
    scores, labels, _, _ = problem(seed)
    [threshold] = exact_thresholds(RateObjective.precision_at_top(k / 40), scores, labels)
    assert (scores >= threshold).sum() == k


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.kind)
@pytest.mark.parametrize("surrogate", AT_THRESHOLD)
@given(seed=seeds)
@settings(deadline=None, max_examples=10)
def test_losses_bound_the_errors_that_they_stand_for(surrogate, estimator, seed):
    scores, labels, _, _ = problem(seed)
    factor = AT_THRESHOLD[surrogate]
    objective = RateObjective.precision_at_recall(0.8, surrogate)
    alarms = rate_loss(objective, tf.constant(scores), labels, estimator=estimator)
    assert alarms.loss.numpy() >= factor * np.mean(scores[labels == 0] >= alarms.thresholds.numpy())
    objective = RateObjective.recall_at_false_alarms(0.2, surrogate)
    misses = rate_loss(objective, tf.constant(scores), labels, estimator=estimator)
    assert misses.loss.numpy() >= factor * np.mean(scores[labels > 0] < misses.thresholds.numpy())


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if not name.endswith("softplus")])
def test_the_sigmoid_hardly_sees_the_scale_of_the_scores(name):
    scores, labels, weights, groups = problem(4)
    plain = rate_loss(OBJECTIVES[name], tf.constant(scores), labels, weights, groups).loss.numpy()
    scaled = rate_loss(OBJECTIVES[name], tf.constant(100 * scores), labels, weights, groups).loss.numpy()
    assert scaled == pytest.approx(plain, abs=0.01)


def test_where_most_must_be_in_error_softplus_would_rather_have_scores_alike():
    scores, labels, _, _ = problem(4, items=400)
    losses = {
        surrogate: [
            rate_loss(
                RateObjective.precision_at_recall(0.95, surrogate), tf.constant(scale * scores), labels
            ).loss.numpy()
            for scale in (1, 0.3)
        ]
        for surrogate in AT_THRESHOLD
    }
    assert losses["softplus"][1] < losses["softplus"][0] - 0.3
    assert losses["sigmoid"][1] == pytest.approx(losses["sigmoid"][0], abs=0.01)


def test_an_unknown_surrogate_is_refused_by_name():
    for make in (lambda: RateObjective.precision_at_recall(0.9, "hinge"), lambda: Coverage((0.5,), "hinge")):
        with pytest.raises(TrainingError, match="surrogate is 'hinge'; use one of softplus, sigmoid"):
            make()


def test_leading_axes_are_separate_problems():
    parts = [problem(seed) for seed in range(3)]
    scores, labels, weights = (np.stack([part[index] for part in parts]) for index in range(3))
    objective = OBJECTIVES["area under precision"]
    together = rate_loss(objective, tf.constant(scores), labels, weights)
    for index, (row, label, weight, _) in enumerate(parts):
        alone = rate_loss(objective, tf.constant(row), label, weight)
        assert together.loss[index].numpy() == pytest.approx(alone.loss.numpy())
        np.testing.assert_allclose(together.thresholds[index], alone.thresholds)


def test_padding_without_weight_changes_nothing_even_when_infinite():
    scores, labels, weights, _ = problem(8)
    padded = np.concatenate([scores, [np.inf, -np.inf, 9.0]])
    for name in ("precision at top", "precision at recall"):
        plain = rate_loss(OBJECTIVES[name], tf.constant(scores), labels, weights)
        longer = rate_loss(
            OBJECTIVES[name],
            tf.constant(padded),
            np.concatenate([labels, [1, 1, 0]]),
            np.concatenate([weights, np.zeros(3)]),
        )
        np.testing.assert_allclose(longer.thresholds, plain.thresholds, atol=1e-9)
        assert longer.loss.numpy() == pytest.approx(plain.loss.numpy())


def test_groups_have_thresholds_of_their_own():
    scores, labels, weights, groups = problem(9)
    moved = scores + 100 * groups
    here = rate_loss(OBJECTIVES["coverage"], tf.constant(scores), labels, weights, groups)
    there = rate_loss(OBJECTIVES["coverage"], tf.constant(moved), labels, weights, groups)
    assert there.loss.numpy() == pytest.approx(here.loss.numpy())
    np.testing.assert_allclose(there.thresholds.numpy() - here.thresholds.numpy(), [0, 100])


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("dtype", [tf.float16, tf.float32])
def test_constant_scores_are_finite_in_half_precision_too(name, dtype):
    _, labels, weights, groups = problem(1)
    result = rate_loss(OBJECTIVES[name], tf.zeros(40, dtype), labels, weights, groups)
    assert result.loss.dtype == dtype
    count = 2 if name.startswith("accuracy at top") else 1
    assert float(result.loss) == pytest.approx(count * AT_THRESHOLD[OBJECTIVES[name].surrogate], rel=1e-2)
    np.testing.assert_allclose(result.thresholds, 0)


@pytest.mark.parametrize("name", ["precision at recall", "area under precision"])
def test_a_batch_without_a_positive_is_a_named_error(name):
    with pytest.raises(TrainingError, match="no element of the constrained subset"):
        rate_loss(OBJECTIVES[name], tf.zeros(10), np.zeros(10))
    compiled = tf.function(lambda labels: rate_loss(OBJECTIVES[name], tf.zeros(10), labels).loss)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no element of the constrained subset"):
        compiled(tf.zeros(10))


def test_a_batch_without_a_negative_has_no_false_alarms():
    assert rate_loss(OBJECTIVES["precision at recall"], tf.zeros(10), np.ones(10)).loss.numpy() == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RateObjective.precision_at_recall(1.0), "the rate is 1.0"),
        (lambda: RateObjective.precision_at_top(0.0), "the rate is 0.0"),
        (lambda: RateObjective.area_under_precision(1.2), "low is 1.2"),
        (lambda: RateObjective("positives", (), misses=False, false_alarms=True), "there is no rate"),
        (lambda: Coverage((0.5, 2.0)), "shares holds 2.0"),
        (lambda: Coverage(()), "shares is empty"),
        (lambda: rate_loss(OBJECTIVES["coverage"], tf.zeros(4), np.ones(4)), "coverage needs groups"),
        (lambda: QuantileEstimator("middle"), "kind is 'middle'"),
        (lambda: QuantileEstimator("kernel", 0.0), "bandwidth is 0.0"),
        (lambda: exact_threshold(np.ones(3), 1.5), "the rate is 1.5"),
        (lambda: exact_threshold(np.array([1.0, np.nan]), 0.5), "a score is not finite"),
        (lambda: exact_threshold(np.ones(3), 0.5, np.zeros(3)), "the constrained subset is empty"),
        (lambda: kernel_weights(0, 0.5, 0.1), "the constrained subset is empty"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(TrainingError, match=message):
        make()


def test_the_live_kernel_is_the_kernel_of_the_counts():
    scores = np.random.default_rng(0).normal(size=200)
    live = subset_quantile(tf.constant(scores), np.ones(200), tf.constant(0.05, tf.float64), QuantileEstimator())
    assert live.numpy() == pytest.approx(quantile(tf.constant(scores), kernel_weights(200, 0.05, 0.05)).numpy())
