from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.lists import RankingLists
from ranking.metrics import (
    average_precision,
    evaluate_lists,
    evaluate_order,
    expected_reciprocal_rank,
    hit_at,
    normalised_discounted_cumulative_gain,
    precision_at,
    rank_gain,
    recall_at,
    reciprocal_rank,
)
from seriatim_errors import DataError
from tests.ranking.generated_lists import lists_of, ranking_lists


def grades_of(lists: RankingLists) -> np.ndarray:
    assert lists.grades is not None
    return lists.grades


@given(lists=ranking_lists(), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_every_metric_of_every_request_is_that_of_the_request_alone(lists: RankingLists, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 4, len(lists.item_ids)).astype(float)
    result = evaluate_lists(lists, scores, grades_of(lists), cutoffs=(1, 3), max_grade=2)
    for index, (start, end) in enumerate(zip(lists.offsets[:-1], lists.offsets[1:], strict=True)):
        order = np.argsort(-scores[start:end], kind="stable")
        labels = grades_of(lists)[start:end][order].astype(float)
        expected = {
            "map": average_precision(labels),
            "mrr": reciprocal_rank(labels),
            "err": expected_reciprocal_rank(labels, 2),
            "rank_gain": rank_gain(labels, order + 1),
            "ndcg": normalised_discounted_cumulative_gain(labels),
        }
        for k in (1, 3):
            expected[f"ndcg_at_{k}"] = normalised_discounted_cumulative_gain(labels, k)
            expected[f"precision_at_{k}"] = precision_at(labels, k)
            expected[f"recall_at_{k}"] = recall_at(labels, k)
            expected[f"hit_at_{k}"] = hit_at(labels, k)
        assert result.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(result[name][index], value, err_msg=name)


@given(lists=ranking_lists(), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_an_explicit_order_gives_what_scores_in_that_order_give(lists: RankingLists, seed: int) -> None:
    scores = np.random.default_rng(seed).random(len(lists.item_ids))
    by_order = evaluate_order(lists, lists.descending_order(scores), grades_of(lists))
    for name, values in evaluate_lists(lists, scores, grades_of(lists)).items():
        np.testing.assert_array_equal(values, by_order[name])


@given(lists=ranking_lists())
@settings(deadline=None)
def test_equal_scores_keep_the_base_order_and_gain_no_rank(lists: RankingLists) -> None:
    values = evaluate_lists(lists, np.zeros(len(lists.item_ids)), grades_of(lists))["rank_gain"]
    assert not np.nan_to_num(values).any()


@pytest.mark.parametrize(("policy", "neutral", "neutral_gain"), [("zero", 0.0, 0.0), ("one", 1.0, 0.0)])
def test_lists_without_a_relevant_item_follow_the_named_policy(
    policy: str, neutral: float, neutral_gain: float
) -> None:
    lists = lists_of([3, 2, 0])
    labels = np.array([0, 1, 0, 0, 0], float)
    scores = np.array([3.0, 2.0, 1.0, 2.0, 1.0])
    skipped = evaluate_lists(lists, scores, labels)
    filled = evaluate_lists(lists, scores, labels, no_relevant=policy)
    for name, values in filled.items():
        assert np.isnan(skipped[name]).tolist() == [False, True, True]
        assert values[0] == skipped[name][0]
        assert values[1:].tolist() == [neutral_gain if name == "rank_gain" else neutral] * 2


def test_metric_names_follow_the_cutoffs() -> None:
    lists = lists_of([3])
    names = evaluate_lists(lists, np.zeros(3), np.ones(3), cutoffs=(7,)).keys()
    assert names == {
        "map", "mrr", "err", "rank_gain", "ndcg",
        "ndcg_at_7", "precision_at_7", "recall_at_7", "hit_at_7",
    }  # fmt: skip


def test_no_lists_give_no_values() -> None:
    assert evaluate_lists(lists_of([]), np.zeros(0), np.zeros(0))["map"].shape == (0,)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, np.nan, 0.0], [1.0, 0.0, 0.0], "scores: item 'i1' has nan"),
        ([1.0, 0.0], [1.0, 0.0, 0.0], r"scores: shape \(2,\) for 3 items"),
        ([1.0, 0.5, 0.0], [1.0, 0.0, -1.0], r"labels: item 'i2' has -1\.0"),
        ([1.0, 0.5, 0.0], [np.inf, 0.0, 0.0], "labels: item 'i0' has inf"),
        ([1.0, 0.5, 0.0], [1.0], r"labels: shape \(1,\) for 3 items"),
    ],
)
def test_bad_scores_and_labels_are_named(scores: list[float], labels: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_lists(lists_of([2, 1]), np.array(scores), np.array(labels))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 0, 2], "not a permutation of the 3 rows"),
        ([0, 1], "not a permutation of the 3 rows"),
        ([0, 1, -1], "not a permutation of the 3 rows"),
        ([2, 1, 0], "place 0, in request 'r0', holds row 2 of another request"),
    ],
)
def test_an_order_that_is_none_is_refused(order: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_order(lists_of([2, 1]), np.array(order), np.ones(3))


def test_a_cutoff_below_one_is_refused_as_bad_data() -> None:
    with pytest.raises(DataError, match="cutoffs: 0"):
        evaluate_lists(lists_of([2]), np.zeros(2), np.ones(2), cutoffs=(0,))


def test_the_scale_of_err_is_the_highest_label_unless_given() -> None:
    lists = replace(lists_of([2]), clicks=None)
    labels = np.array([2.0, 0.0])
    assert evaluate_lists(lists, np.array([1.0, 0.0]), labels)["err"].tolist() == [0.75]
    assert evaluate_lists(lists, np.array([1.0, 0.0]), labels, max_grade=3)["err"].tolist() == [0.375]
