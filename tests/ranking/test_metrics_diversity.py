"""Diversity: distances within the top of a list, and subtopics covered."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from ranking.lists import RankingLists
from ranking.metrics import (
    alpha_discounted_cumulative_gain,
    alpha_normalised_discounted_cumulative_gain,
    evaluate_lists,
    intra_list_distance,
    subtopic_recall_at,
)
from seriatim_errors import DataError
from tests.ranking.generated_lists import lists_of, ranking_lists

SEEDS = st.integers(0, 1000)


@given(seed=SEEDS, size=st.integers(2, 7), cutoff=st.integers(2, 9))
@settings(deadline=None)
def test_the_distance_of_a_list_is_the_mean_over_scipys_pairs(seed: int, size: int, cutoff: int) -> None:
    features = np.random.default_rng(seed).normal(1e6, 1.0, (3, size, 2))
    ours = intra_list_distance(features, cutoff)
    assert ours.shape == (3,)
    np.testing.assert_allclose(ours, [pdist(one[:cutoff]).mean() for one in features])


@given(seed=SEEDS, mask=st.lists(st.booleans(), min_size=6, max_size=6), cutoff=st.integers(1, 6))
@settings(deadline=None)
def test_masked_items_hold_no_rank_and_may_hold_anything(seed: int, mask: list[bool], cutoff: int) -> None:
    features = np.random.default_rng(seed).normal(size=(6, 3))
    garbage = np.where(np.array(mask)[:, None], features, np.nan)
    ours = intra_list_distance(garbage, cutoff, mask)
    left = features[mask][:cutoff]
    assert ours == pytest.approx(pdist(left).mean() if len(left) > 1 else np.nan, nan_ok=True)


def test_equal_items_are_at_distance_zero_and_a_single_item_has_none() -> None:
    assert intra_list_distance(np.ones((4, 3))) == 0
    assert np.isnan(intra_list_distance(np.ones((1, 3))))
    assert np.isnan(intra_list_distance(np.ones((2, 5, 3)), cutoff=1)).all()
    assert np.isnan(intra_list_distance(np.ones((0, 3))))


def test_features_that_are_not_finite_are_named() -> None:
    with pytest.raises(DataError, match=r"features: inf at \(1, 0\)"):
        intra_list_distance([[0.0], [np.inf]])


@given(lists=ranking_lists(max_size=6), seed=SEEDS)
@settings(deadline=None)
def test_evaluation_measures_diversity_of_the_top_of_every_list_relevant_or_not(lists: RankingLists, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, weights = rng.random(len(lists.item_ids)), rng.choice([0.0, 1.0, 2.0], len(lists.item_ids))
    result = evaluate_lists(
        lists, scores, np.zeros(len(scores)), (2, 4), "zero", weights=weights, diversity_columns=("feature_2",)
    )
    for index, (start, end) in enumerate(zip(lists.offsets[:-1], lists.offsets[1:], strict=True)):
        rows = np.arange(start, end)[weights[start:end] > 0]
        ranked = rows[np.argsort(-scores[rows])]
        for cutoff in (2, 4):
            top = lists.features[ranked[:cutoff], 2].astype(float)
            expected = pdist(top[:, None]).mean() if len(top) > 1 else np.nan
            np.testing.assert_allclose(result[f"diversity_at_{cutoff}"][index], expected)


def test_diversity_is_measured_only_when_asked_for_and_over_known_columns() -> None:
    lists = lists_of([3])
    assert not [name for name in evaluate_lists(lists, np.zeros(3), np.ones(3)) if name.startswith("diversity")]
    with pytest.raises(DataError, match="diversity_columns: 'colour' is no feature; choose of feature_0, "):
        evaluate_lists(lists, np.zeros(3), np.ones(3), diversity_columns=("feature_0", "colour"))


def random_subtopics(seed: int, size: int, subtopics: int = 3) -> np.ndarray:
    return (np.random.default_rng(seed).random((size, subtopics)) < 0.4).astype(float)


@given(seed=SEEDS, size=st.integers(1, 6), alpha=st.sampled_from([0.0, 0.5, 1.0]), cutoff=st.integers(1, 7))
@settings(deadline=None)
def test_alpha_gain_is_the_sum_written_out(seed: int, size: int, alpha: float, cutoff: int) -> None:
    subtopics = random_subtopics(seed, size)
    seen = np.zeros(3)
    expected = 0.0
    for rank, item in enumerate(subtopics[:cutoff], 1):
        expected += sum((1 - alpha) ** seen[topic] for topic in range(3) if item[topic]) / np.log2(rank + 1)
        seen += item
    assert alpha_discounted_cumulative_gain(subtopics, cutoff, alpha) == pytest.approx(expected)


@given(seed=SEEDS, size=st.integers(1, 5), alpha=st.sampled_from([0.0, 0.5, 1.0]))
@settings(deadline=None)
def test_the_greedy_order_has_value_one_and_is_near_the_best_there_is(seed: int, size: int, alpha: float) -> None:
    subtopics = random_subtopics(seed, size)
    values = [
        float(alpha_normalised_discounted_cumulative_gain(subtopics[list(order)], alpha=alpha))
        for order in itertools.permutations(range(size))
    ]
    if not subtopics.any():
        assert np.isnan(values).all()
        return
    assert min(abs(value - 1) for value in values) < 1e-9
    # Greedy choice of a submodular gain: no order is better by more than e / (e - 1).
    assert max(values) <= np.e / (np.e - 1)
    assert min(values) > 0


@given(seed=SEEDS, size=st.integers(1, 6), cutoff=st.integers(1, 7))
@settings(deadline=None)
def test_coverage_counts_the_subtopics_of_the_top(seed: int, size: int, cutoff: int) -> None:
    subtopics = random_subtopics(seed, size)
    there = {topic for topic in range(3) if subtopics[:, topic].any()}
    top = {topic for topic in range(3) if subtopics[:cutoff, topic].any()}
    expected = len(top) / len(there) if there else np.nan
    assert subtopic_recall_at(subtopics, cutoff) == pytest.approx(expected, nan_ok=True)


@given(seed=SEEDS, mask=st.lists(st.booleans(), min_size=5, max_size=5))
@settings(deadline=None)
def test_subtopic_metrics_of_masked_lists_are_those_of_the_rest(seed: int, mask: list[bool]) -> None:
    subtopics = random_subtopics(seed, 5)
    garbage, left = np.where(np.array(mask)[:, None], subtopics, np.nan), subtopics[mask]
    for metric in (
        alpha_discounted_cumulative_gain,
        alpha_normalised_discounted_cumulative_gain,
        subtopic_recall_at,
    ):
        assert metric(garbage, 2, mask=mask) == pytest.approx(metric(left, 2), nan_ok=True)
        assert metric(np.stack([subtopics] * 2), 2).shape == (2,)


def test_subtopics_other_than_zero_and_one_and_an_alpha_out_of_range_are_named() -> None:
    with pytest.raises(DataError, match=r"subtopics: -1.0 at \(0, 1\)"):
        subtopic_recall_at([[1, -1]], 1)
    with pytest.raises(ValueError, match=r"alpha: 1\.5"):
        alpha_discounted_cumulative_gain([[1.0]], alpha=1.5)
