"""Weights and masks: what holds no rank is not there, and what weighs more counts more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.lists import RankingLists
from ranking.metrics import (
    average_precision,
    bootstrap_interval,
    discounted_cumulative_gain,
    evaluate_lists,
    expected_reciprocal_rank,
    hit_at,
    list_weights,
    metric_weights,
    normalised_discounted_cumulative_gain,
    paired_difference_interval,
    precision_at,
    rank_gain,
    ranked_labels,
    recall_at,
    reciprocal_rank,
)
from seriatim_errors import ConfigError, DataError
from tests.page_examples import python_examples
from tests.ranking.generated_lists import lists_of, ranking_lists

BASE_RANKS = np.array([4, 1, 6, 3, 2, 5])
METRICS: dict[str, Callable[..., np.ndarray]] = {
    "ndcg": normalised_discounted_cumulative_gain,
    "ndcg_at_2": lambda labels, **kw: normalised_discounted_cumulative_gain(labels, 2, **kw),
    "ndcg_linear": lambda labels, **kw: normalised_discounted_cumulative_gain(labels, gain="linear", **kw),
    "dcg": discounted_cumulative_gain,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "err": lambda labels, **kw: expected_reciprocal_rank(labels, 3, **kw),
    "precision_at_2": lambda labels, **kw: precision_at(labels, 2, **kw),
    "recall_at_2": lambda labels, **kw: recall_at(labels, 2, **kw),
    "hit_at_2": lambda labels, **kw: hit_at(labels, 2, **kw),
    "rank_gain": lambda labels, **kw: rank_gain(labels, BASE_RANKS, **kw),
}
LABELS = st.lists(st.integers(0, 3), min_size=6, max_size=6)
WEIGHTS = st.lists(st.sampled_from([0.5, 1.0, 2.0, 7.0]), min_size=6, max_size=6)
FLAGS = st.lists(st.booleans(), min_size=6, max_size=6)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "rank_gain"])
@given(labels=LABELS, weights=WEIGHTS, mask=FLAGS)
@settings(deadline=None, max_examples=40)
def test_masked_items_and_items_of_weight_zero_hold_no_rank(
    name: str, labels: list[int], weights: list[float], mask: list[bool]
) -> None:
    garbage = np.where(mask, np.array(labels, float), np.nan)
    present = np.flatnonzero(mask)
    without = METRICS[name](np.array(labels)[present], weights=np.array(weights)[present])
    assert METRICS[name](garbage, weights=weights, mask=mask) == pytest.approx(without, nan_ok=True)
    no_weight = np.where(mask, weights, 0.0)
    assert METRICS[name](garbage, weights=no_weight) == pytest.approx(without, nan_ok=True)


@given(mask=FLAGS, labels=LABELS)
@settings(deadline=None)
def test_rank_gain_counts_new_ranks_among_the_items_that_hold_one(mask: list[bool], labels: list[int]) -> None:
    present = np.flatnonzero(mask)
    without = rank_gain(np.array(labels)[present], BASE_RANKS[present])
    assert rank_gain(labels, BASE_RANKS, mask=mask) == pytest.approx(without, nan_ok=True)


@pytest.mark.parametrize("name", METRICS)
@given(labels=LABELS, weights=WEIGHTS, scale=st.sampled_from([1e-300, 0.3, 40.0, 1e300]))
@settings(deadline=None, max_examples=30)
def test_the_scale_of_a_lists_weights_changes_no_metric_of_it(
    name: str, labels: list[int], weights: list[float], scale: float
) -> None:
    plain = METRICS[name](labels, weights=weights)
    assert METRICS[name](labels, weights=np.array(weights) * scale) == pytest.approx(plain, nan_ok=True)
    assert METRICS[name](labels, weights=np.full(6, scale)) == pytest.approx(METRICS[name](labels), nan_ok=True)


@given(labels=LABELS.filter(any), weights=WEIGHTS)
@settings(deadline=None)
def test_weighted_values_are_their_formulas_written_out(labels: list[int], weights: list[float]) -> None:
    relevant = [rank for rank, label in enumerate(labels, 1) if label > 0]
    weight = dict(enumerate(weights, 1))
    precision = {rank: sum(other <= rank for other in relevant) / rank for rank in relevant}
    total = sum(weight[rank] for rank in relevant)
    expected = sum(weight[rank] * precision[rank] for rank in relevant) / total
    assert average_precision(labels, weights) == pytest.approx(expected)

    gains = [w * (2**label - 1) for w, label in zip(weights, labels, strict=True)]
    discounts = 1 / np.log2(np.arange(2, 8))
    achieved, best = np.array(gains) @ discounts, np.array(sorted(gains, reverse=True)) @ discounts
    assert normalised_discounted_cumulative_gain(labels, weights=weights) == pytest.approx(achieved / best)
    mean_weight = sum(gains) / sum(2**label - 1 for label in labels)
    assert discounted_cumulative_gain(labels, weights=weights) == pytest.approx(achieved / mean_weight)

    lift = sum(weight[rank] * (BASE_RANKS[rank - 1] - rank) for rank in relevant)
    assert rank_gain(labels, BASE_RANKS, weights) == pytest.approx(lift / (total / len(relevant)))


@given(labels=LABELS.filter(any), weights=WEIGHTS)
@settings(deadline=None)
def test_no_order_beats_descending_weighted_gain(labels: list[int], weights: list[float]) -> None:
    gains = np.array(weights) * (np.exp2(labels) - 1)
    best = np.argsort(-gains)
    here = normalised_discounted_cumulative_gain(labels, 3, weights=weights)
    assert here <= 1 + 1e-12
    sorted_ = normalised_discounted_cumulative_gain(np.array(labels)[best], 3, weights=np.array(weights)[best])
    assert sorted_ == pytest.approx(1)


def test_a_list_weighs_what_its_relevant_items_do_and_a_list_without_any_what_the_others_do_on_average() -> None:
    labels = np.array([[1.0, 0, 0], [1, 2, 0], [0, 0, 0], [0, 0, 0]])
    weights = np.array([[3.0, 9, 9], [1, 2, 9], [5, 5, 5], [0, 0, 0]])
    np.testing.assert_allclose(list_weights(labels, weights), [3, 1.5, 2.25, 0])
    by_gain = (1 * 1 + 2 * 3) / (1 + 3)
    np.testing.assert_allclose(
        list_weights(labels, weights, relevance="exponential"), [3, by_gain, (3 + by_gain) / 2, 0]
    )
    masked = list_weights(labels, weights, mask=[[True, True, True], [False, True, True]] * 2)
    np.testing.assert_allclose(masked, [3, 2, 2.5, 0])
    assert list_weights(labels[2:], weights[2:]).tolist() == [1, 0]


@given(lists=ranking_lists(max_size=6), seed=st.integers(0, 500))
@settings(deadline=None)
def test_evaluation_with_weights_is_that_of_each_request_alone(lists: RankingLists, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = len(lists.item_ids)
    scores, weights = rng.integers(0, 4, items).astype(float), rng.choice([0.0, 0.5, 3.0], items)
    assert lists.grades is not None
    result = evaluate_lists(lists, scores, lists.grades, (2,), max_grade=3, weights=weights)
    counted_weights = metric_weights(lists, lists.grades, weights, result)
    for index, (start, end) in enumerate(zip(lists.offsets[:-1], lists.offsets[1:], strict=True)):
        rows = np.arange(start, end)[weights[start:end] > 0]
        order = np.argsort(-scores[rows], kind="stable")
        labels, shares = lists.grades[rows][order].astype(float), weights[rows][order]
        expected = {
            "map": average_precision(labels, shares),
            "ndcg": normalised_discounted_cumulative_gain(labels, weights=shares),
            "ndcg_at_2": normalised_discounted_cumulative_gain(labels, 2, weights=shares),
            "mrr": reciprocal_rank(labels),
            "err": expected_reciprocal_rank(labels, 3),
            "precision_at_2": precision_at(labels, 2),
            "recall_at_2": recall_at(labels, 2),
            "hit_at_2": hit_at(labels, 2),
            "rank_gain": rank_gain(labels, order + 1, shares),
        }
        assert expected.keys() == result.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(result[name][index], value, err_msg=name)
            if (labels > 0).any():
                gain = "exponential" if name.startswith("ndcg") else "binary"
                own = list_weights(labels, shares, relevance=gain)
                np.testing.assert_allclose(counted_weights[name][index], own, err_msg=name)


@given(lists=ranking_lists(max_size=6), scale=st.sampled_from([0.25, 8.0]))
@settings(deadline=None)
def test_equal_weights_change_nothing_and_are_every_lists_weight(lists: RankingLists, scale: float) -> None:
    weights = np.full(len(lists.item_ids), scale)
    assert lists.clicks is not None
    plain = evaluate_lists(lists, -weights, lists.clicks)
    weighted = evaluate_lists(lists, -weights, lists.clicks, weights=weights)
    has_item = lists.list_sizes > 0
    of_lists = metric_weights(lists, lists.clicks, weights, [*plain, "diversity_at_5"])
    for name, values in plain.items():
        np.testing.assert_allclose(weighted[name], values, err_msg=name)
        relevant = (~np.isnan(values)).any()
        np.testing.assert_allclose(of_lists[name], np.where(has_item, scale if relevant else 1.0, 0.0))
    np.testing.assert_allclose(of_lists["diversity_at_5"], np.where(has_item, scale, 0.0))


def test_whole_number_weights_of_requests_are_repeated_requests_in_the_mean() -> None:
    values, weights = np.array([0.2, np.nan, 1.0, 0.6]), np.array([3, 2, 0, 1])
    weighted = bootstrap_interval(values, weights=weights, samples=50)
    assert weighted.value == pytest.approx(np.nanmean(np.repeat(values, weights)))
    # The undefined request and the one without weight are not counted.
    assert weighted.count == 2
    assert bootstrap_interval(values, weights=weights * 8, samples=50) == weighted
    assert bootstrap_interval(values, weights=np.ones(4), samples=50) == bootstrap_interval(values, samples=50)


def test_weighted_intervals_cover_the_true_mean_about_as_often_as_they_promise() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        weights = rng.choice([0.5, 1.0, 4.0], 80)
        # Requests that weigh more are worth more: the plain mean would be off.
        interval = bootstrap_interval(rng.normal(weights, 1.0), 0.9, 300, trial, weights)
        covered += interval.low <= (0.5**2 + 1 + 16) / 5.5 <= interval.high
    assert 0.84 <= covered / 300 <= 0.95


def test_a_paired_difference_is_weighted_by_request() -> None:
    interval = paired_difference_interval([1.0, 2.0, np.nan], [0.0, 0.0, 0.0], weights=[3.0, 1.0, 9.0])
    assert (interval.value, interval.count) == (1.25, 2)


@pytest.mark.parametrize("weights", [[1.0, -1.0], [1.0, np.nan], [1.0, np.inf]])
def test_weights_out_of_range_are_named(weights: list[float]) -> None:
    lists = replace(lists_of([2]), weights=None)
    with pytest.raises(DataError, match="weights"):
        evaluate_lists(lists, np.zeros(2), np.ones(2), weights=np.array(weights))
    with pytest.raises(DataError, match="weights"):
        metric_weights(lists, np.ones(2), np.array(weights), ["map"])
    with pytest.raises(DataError, match="weights: request 1 has"):
        bootstrap_interval([1.0, 2.0], weights=weights)
    with pytest.raises(DataError, match=r"weights: .* at \(1,\)"):
        average_precision([1.0, 0.0], weights)


def test_weights_of_another_length_and_unknown_policies_are_refused() -> None:
    with pytest.raises(DataError, match=r"weights: shape \(3,\) for 2 items; give one weight an item"):
        evaluate_lists(lists_of([2]), np.zeros(2), np.ones(2), weights=np.ones(3))
    with pytest.raises(ValueError, match="one weight a request"):
        bootstrap_interval([1.0, 2.0], weights=[1.0])
    with pytest.raises(ConfigError, match="no_relevant: 'drop'; choose one of skip, zero, one"):
        evaluate_lists(lists_of([2]), np.zeros(2), np.ones(2), no_relevant="drop")  # type: ignore[arg-type]


def test_an_infinite_score_still_stands_before_padding_and_nan_is_refused() -> None:
    ranked = ranked_labels([1.0, 2.0, 3.0], [-np.inf, 0.0, np.nan], mask=[True, True, False])
    assert ranked.tolist() == [2.0, 1.0, 0.0]
    with pytest.raises(DataError, match="scores: nan has no rank"):
        ranked_labels([1.0, 2.0], [np.nan, 0.0])


def test_the_documented_example_of_weights_runs() -> None:
    examples = [block for block in python_examples("docs/metrics.md") if "metric_weights" in block]
    assert len(examples) == 1
    # Its assertions are the test.
    exec(examples[0], {})
