"""Quantiles and losses under rate constraints, worked out by hand from their formulas."""

import math
import warnings

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit
from scipy.stats import norm

from ranking.rate_constraints import (
    Coverage,
    QuantileEstimator,
    RateObjective,
    exact_threshold,
    exact_thresholds,
    interval_weights,
    kernel_weights,
    point_weights,
    rate_loss,
    realised_rate,
    subset_quantile,
)
from ranking.rate_constraints.listwise import precision_at_k_in_lists
from ranking.rate_constraints.subset_quantiles import quantile_shares
from ranking.rate_constraints.surrogates import error_costs, spread, weighted_mean
from seriatim_errors import TrainingError

SCORES = np.array([0.5, -1.0, 2.0, 0.25])
LABELS = np.array([1.0, 0.0, 1.0, 0.0])
WEIGHTS = np.array([1.0, 2.0, 1.0, 4.0])
# Mean 0.1875; deviations 0.3125, 1.1875, 1.8125 and 0.0625.
SPREAD = (0.3125 + 2 * 1.1875 + 1.8125 + 4 * 0.0625) / 8


@pytest.mark.parametrize(
    ("count", "level", "place"), [(4, 0.0, 0), (4, 0.25, 0), (4, 0.26, 1), (4, 0.5, 1), (4, 1.0, 3), (30, 0.1, 2)]
)
def test_the_point_weight_lies_on_the_order_statistic_of_the_ceiling(count, level, place):
    assert point_weights(count, level).tolist() == (np.arange(count) == place).tolist()


def test_interval_weights_are_even_over_the_middles_within_the_bandwidth_and_on_its_ends():
    assert interval_weights(4, 0.5, 0.125).tolist() == [0, 0.5, 0.5, 0]
    assert interval_weights(4, 0.25, 0.2).tolist() == [0.5, 0.5, 0, 0]
    assert interval_weights(4, 0.5, 0.1).tolist() == point_weights(4, 0.5).tolist()
    assert interval_weights(1, 0.5, 0.0).tolist() == [1]


def test_kernel_weights_are_differences_of_the_normal_distribution_over_their_sum():
    edges = norm.cdf((np.array([0, 0.25, 0.5, 0.75, 1]) - 0.3) / 0.2)
    np.testing.assert_allclose(kernel_weights(4, 0.3, 0.2), np.diff(edges) / (edges[-1] - edges[0]))


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.inf])
def test_a_kernel_of_no_width_or_of_none_that_can_be_told_is_the_point(bandwidth):
    assert kernel_weights(4, 0.3, bandwidth).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("weights", [point_weights, lambda *two: interval_weights(*two, 0.1)])
@pytest.mark.parametrize("level", [-0.01, 1.01])
def test_levels_lie_between_nothing_and_all(weights, level):
    with pytest.raises(TrainingError, match=rf"the level is {level}; give a number in \[0, 1\]"):
        weights(3, level)
    with pytest.raises(TrainingError, match=rf"the level is {level}"):
        kernel_weights(3, level, 0.1)


@pytest.mark.parametrize("weights", [point_weights, lambda *two: interval_weights(*two, 0.1)])
def test_no_scores_have_no_weights(weights):
    with pytest.raises(TrainingError, match="the constrained subset is empty"):
        weights(0, 0.5)


def test_thresholds_count_the_weight_of_what_passes():
    scores, weights = np.array([3.0, 1.0, 2.0, 9.0]), np.array([1.0, 2.0, 1.0, 0.0])
    assert [exact_threshold(scores, rate, weights) for rate in (0.25, 0.26, 0.5, 0.51, 1.0)] == [3, 2, 2, 1, 1]
    assert [exact_threshold(scores, rate) for rate in (1e-12, 0.25, 0.26, 0.5, 1.0)] == [9, 9, 3, 3, 1]
    assert exact_threshold(scores, 1e-12, weights) == 3
    assert realised_rate(scores, 2.0, weights) == 0.5
    assert realised_rate(scores, 2.0, weights / 100) == 0.5
    assert realised_rate(scores, 2.0) == 0.75
    assert math.isnan(realised_rate(np.zeros(0), 0.0))
    assert math.isnan(realised_rate(scores, 0.0, np.zeros(4)))


def test_a_tenth_of_thirty_equal_weights_is_three_of_them():
    scores = np.arange(30.0)
    assert exact_threshold(scores, 0.1, np.full(30, 0.1)) == 27


def test_a_threshold_allows_for_a_billionth_of_the_mean_weight_and_no_more():
    thousand = np.arange(1000.0)
    # Half a thousandth above 500 is 501; 0.07 of a hundred weights of a million is 7 of them, and a rounding.
    assert exact_threshold(thousand, 0.5000005, np.ones(1000)) == 499
    assert exact_threshold(thousand[:100], 0.07, np.full(100, 1e6)) == 93
    # What is allowed for goes by all of the weight, be the first or the last score nearly all of it.
    for heavy in (0, 50):
        weights = np.full(51, 0.1)
        weights[50 - heavy] = 1e6
        passed = np.cumsum(weights[::-1])
        assert exact_threshold(thousand[:51], (passed[9] + 1e-6) / passed[-1], weights) == 41
    weights = np.r_[np.full(58, 0.1), 1e-15, 1e-15]
    assert exact_threshold(thousand[:60], 5.3 / weights.sum(), weights) == 5


def test_weights_are_summed_in_double_precision():
    scores, weights = np.array([3.0, 2.0, 1.0]), np.array([2.0**24, 1.0, 1.0], np.float32)
    assert exact_threshold(scores, (2**24 + 1) / (2**24 + 2), weights) == 2
    assert realised_rate(scores, 2.0, weights) == (2**24 + 1) / (2**24 + 2)
    assert realised_rate(scores, 0.0, weights) == 1


def test_what_would_divide_by_nothing_is_told_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernel_weights(4, 0.5, 0.0).tolist() == [0, 1, 0, 0]
        assert math.isnan(realised_rate(np.zeros(0), 0.0))
        assert math.isnan(realised_rate(SCORES, 0.0, np.zeros(4)))


def test_a_rate_is_above_nothing_and_at_most_all():
    for rate in (0.0, -0.1, 1.1, math.nan):
        with pytest.raises(TrainingError, match=f"the rate is {rate}"):
            exact_threshold(SCORES, rate)


def test_exact_thresholds_are_those_of_the_subset_with_its_weights():
    scores, labels = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 0, 1, 0, 0])
    weights = np.array([1.0, 1.0, 5.0, 1.0, 2.0])
    for objective, found, weighted in (
        (RateObjective.recall_at_false_alarms(0.4), 0.6, 0.6),
        (RateObjective.recall_at_false_alarms(0.25), 0.8, 0.8),
        (RateObjective.precision_at_recall(0.8), 0.7, 0.7),
        (RateObjective.precision_at_recall(0.4), 0.9, 0.7),
        (RateObjective.precision_at_top(0.4), 0.8, 0.7),
    ):
        assert exact_thresholds(objective, scores, labels).tolist() == [found]
        assert exact_thresholds(objective, scores, labels, weights).tolist() == [weighted]


def test_levels_of_scores_in_half_precision_are_not_rounded_to_it():
    scores = tf.cast(tf.range(1000), tf.float16)
    # A level of 0.99895 is the 999th score; in half precision it would be 0.99902, and the 1000th.
    lost = rate_loss(RateObjective.precision_at_top(0.00105), scores, scores * 0, estimator=QuantileEstimator("point"))
    assert lost.thresholds.numpy().tolist() == [998]


def shares(kind, bandwidth, level, weights, scores=SCORES):
    return quantile_shares(
        tf.constant(scores), tf.constant(weights), tf.constant(level, tf.float64), QuantileEstimator(kind, bandwidth)
    ).numpy()


def test_shares_of_the_point_lie_where_the_level_is_reached():
    # Ascending: -1 (2), 0.25 (4), 0.5 (1), 2 (1); ends at 0.25, 0.75, 0.875 and 1.
    assert shares("point", 1.0, 0.25, WEIGHTS).tolist() == [0, 1, 0, 0]
    assert shares("point", 1.0, 0.26, WEIGHTS).tolist() == [0, 0, 0, 1]
    assert shares("point", 1.0, 0.8, WEIGHTS).tolist() == [1, 0, 0, 0]
    # A millionth above an end is still that end.
    assert shares("point", 1.0, 0.75 + 1e-6, WEIGHTS).tolist() == [0, 0, 0, 1]
    assert shares("point", 1.0, 1.0, WEIGHTS).tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("kind", ["point", "interval", "kernel"])
def test_the_lowest_quantile_is_of_a_score_with_weight(kind):
    weights = np.array([1.0, 0.0, 1.0, 4.0])
    found = shares(kind, 1.0, 0.0, weights)
    assert found[1] == 0
    assert found[3] == pytest.approx(1)


def test_shares_of_the_interval_are_what_lies_inside_its_window():
    # The level 0.4 and half of 0.4 to either side: from 0.2 to 0.6, of which 0.05 is the lowest score's.
    np.testing.assert_allclose(shares("interval", 0.5, 0.4, WEIGHTS), [0, 0.125, 0, 0.875], atol=1e-12)
    # Beyond the middle the width goes by what lies above: from 0.7 to 0.9.
    np.testing.assert_allclose(shares("interval", 0.5, 0.8, WEIGHTS), [0.625, 0, 0.125, 0.25], atol=1e-12)


def test_shares_of_the_kernel_are_differences_of_the_normal_distribution():
    edges = norm.cdf((np.array([0, 0.25, 0.75, 0.875, 1]) - 0.4) / (0.5 * 0.4))
    ascending = np.diff(edges) / (edges[-1] - edges[0])
    np.testing.assert_allclose(shares("kernel", 0.5, 0.4, WEIGHTS), ascending[[2, 0, 3, 1]])
    assert shares("kernel", 1e30, 0.4, WEIGHTS).tolist() == [0, 0, 0, 1]


def test_one_row_of_weights_serves_several_lists_at_levels_of_their_own():
    scores = np.stack([SCORES, SCORES[::-1]])
    found = shares("point", 1.0, [0.25, 0.8], WEIGHTS[None], scores)
    # The second, ascending: -1 (1), 0.25 (1), 0.5 (4), 2 (2); ends at 0.125, 0.25, 0.75 and 1.
    assert found.tolist() == [[0, 1, 0, 0], [0, 1, 0, 0]]


def test_quantiles_keep_the_type_of_their_scores_and_ties_their_order():
    point = QuantileEstimator("point")
    half = subset_quantile(tf.constant(SCORES, tf.float16), tf.constant(WEIGHTS), tf.constant(0.8), point)
    assert half.dtype == tf.float16
    assert half.numpy() == 0.5
    tied = quantile_shares(tf.zeros(3, tf.float64), tf.ones(3), tf.constant(0.5), point)
    assert tied.numpy().tolist() == [0, 1, 0]
    assert quantile_shares(tf.zeros(3, tf.float16), tf.ones(3), tf.constant(0.5), point).dtype == tf.float32


def test_the_spread_is_the_weighted_mean_deviation_from_the_weighted_mean():
    assert spread(tf.constant(SCORES), tf.constant(WEIGHTS)).numpy() == pytest.approx(SPREAD)
    assert weighted_mean(tf.constant([[1.0, np.inf], [3.0, 5.0]]), tf.constant([[2.0, 0.0], [0.0, 0.0]])).numpy(
    ).tolist() == [1, 0]  # fmt: skip


def test_the_sigmoid_costs_by_eighths_of_the_spread():
    margins, unit = np.array([-0.5, 0.0, 1.5]), 0.99
    found = error_costs("sigmoid", tf.constant(margins), tf.constant(unit, tf.float64))
    np.testing.assert_allclose(found, expit(8 * margins / (unit + 0.01)))
    np.testing.assert_allclose(
        error_costs("softplus", tf.constant(margins), tf.constant(unit, tf.float64)), np.log1p(np.exp(margins))
    )


def costs(margins):
    return expit(8 * margins / (SPREAD + 0.01))


def loss_at(objective, thresholds, groups=None):
    return objective.loss_at(
        tf.constant(SCORES), tf.constant(LABELS), tf.constant(WEIGHTS), tf.constant(thresholds, tf.float64), groups
    ).numpy()


def test_misses_are_the_positives_and_false_alarms_the_negatives_at_the_threshold():
    threshold = 0.75
    misses = np.average(costs(threshold - SCORES[[0, 2]]), weights=WEIGHTS[[0, 2]])
    alarms = np.average(costs(SCORES[[1, 3]] - threshold), weights=WEIGHTS[[1, 3]])
    for objective, among, expected in (
        (RateObjective.precision_at_recall(0.8), "positives", alarms),
        (RateObjective.recall_at_false_alarms(0.1), "negatives", misses),
        (RateObjective.precision_at_top(0.3), "all", misses),
        (RateObjective.accuracy_at_top(0.3), "all", misses + alarms),
    ):
        assert loss_at(objective, [threshold]) == pytest.approx(expected)
        assert objective.among == among
    two = RateObjective("all", (0.2, 0.4), misses=True, false_alarms=False)
    other = np.average(costs(0.0 - SCORES[[0, 2]]), weights=WEIGHTS[[0, 2]])
    assert loss_at(two, [threshold, 0.0]) == pytest.approx((misses + other) / 2)


def test_the_subsets_are_the_positives_the_negatives_or_all():
    for objective, expected in (
        (RateObjective.precision_at_recall(0.8), LABELS),
        (RateObjective.recall_at_false_alarms(0.1), 1 - LABELS),
        (RateObjective.precision_at_top(0.3), np.ones(4)),
    ):
        np.testing.assert_array_equal(objective.subsets(tf.constant(LABELS), None), expected[None])


def test_the_area_has_a_recall_in_the_middle_of_each_part():
    np.testing.assert_allclose(
        RateObjective.area_under_precision(0.5, points=4).rates, [0.5625, 0.6875, 0.8125, 0.9375]
    )
    np.testing.assert_allclose(RateObjective.area_under_precision(0.0).rates, [0.1, 0.3, 0.5, 0.7, 0.9])
    assert RateObjective.area_under_precision(0.5, points=1, surrogate="softplus").surrogate == "softplus"
    for low, points in ((-0.1, 5), (1.0, 5), (0.5, 0)):
        with pytest.raises(TrainingError, match=rf"low is {low}, points is {points}"):
            RateObjective.area_under_precision(low, points)


def test_coverage_counts_each_example_at_the_threshold_of_its_group():
    groups, thresholds = np.array([0, 0, 1, 1]), np.array([0.0, 1.0])
    above = SCORES - thresholds[groups]
    unit = np.average(np.abs(above - np.average(above, weights=WEIGHTS)), weights=WEIGHTS)
    wrong = (1 - 2 * LABELS) * above
    expected = np.average(expit(8 * wrong / (unit + 0.01)), weights=WEIGHTS)
    assert loss_at(Coverage((0.3, 0.6)), thresholds, groups) == pytest.approx(expected)
    assert loss_at(Coverage((0.3, 0.6), "softplus"), thresholds, groups) == pytest.approx(
        np.average(np.log1p(np.exp(wrong)), weights=WEIGHTS)
    )
    members = Coverage((0.3, 0.6)).subsets(tf.constant(LABELS), groups)
    np.testing.assert_array_equal(members, [[1, 1, 0, 0], [0, 0, 1, 1]])
    for share in (0.0, 1.0):
        with pytest.raises(TrainingError, match=f"shares holds {share}"):
            Coverage((share,))


def test_a_lists_loss_is_the_mean_over_its_positives_below_its_kth_score():
    scores = tf.constant([SCORES, SCORES])
    labels, mask = tf.constant([LABELS, 0 * LABELS]), tf.constant([[True, True, True, False]] * 2)
    found = precision_at_k_in_lists(scores, labels, mask, 2)
    np.testing.assert_allclose(found.thresholds, [[0.5], [0.5]])
    np.testing.assert_allclose(found.loss, [(math.log(2) + math.log1p(math.exp(-1.5))) / 2, 0])


@pytest.mark.parametrize(
    ("name", "among", "misses", "false_alarms"),
    [
        ("precision_at_recall", "positives", False, True),
        ("recall_at_false_alarms", "negatives", True, False),
        ("precision_at_top", "all", True, False),
        ("accuracy_at_top", "all", True, True),
    ],
)
def test_a_named_objective_pins_and_counts_what_its_name_says(name, among, misses, false_alarms):
    made = getattr(RateObjective, name)(0.2, "softplus")
    assert made == RateObjective(among, (0.2,), misses=misses, false_alarms=false_alarms, surrogate="softplus")
