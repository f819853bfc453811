from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from ranking.metrics import (
    average_precision,
    discounted_cumulative_gain,
    expected_reciprocal_rank,
    hit_at,
    normalised_discounted_cumulative_gain,
    precision_at,
    rank_gain,
    ranked_labels,
    recall_at,
    reciprocal_rank,
)

GRADES = st.lists(st.integers(0, 4), min_size=1, max_size=9)
POSITIVE_GRADES = GRADES.filter(any)
METRICS: dict[str, Callable[..., np.ndarray]] = {
    "ndcg": normalised_discounted_cumulative_gain,
    "ndcg_at_3": lambda labels: normalised_discounted_cumulative_gain(labels, 3),
    "ndcg_linear": lambda labels: normalised_discounted_cumulative_gain(labels, 3, gain="linear"),
    "map": average_precision,
    "mrr": reciprocal_rank,
    "err": lambda labels: expected_reciprocal_rank(labels, max_grade=4),
    "err_at_2": lambda labels: expected_reciprocal_rank(labels, max_grade=4, cutoff=2),
    "precision_at_3": lambda labels: precision_at(labels, 3),
    "recall_at_3": lambda labels: recall_at(labels, 3),
    "hit_at_3": lambda labels: hit_at(labels, 3),
}


@given(grades=POSITIVE_GRADES, cutoff=st.integers(1, 12), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_ndcg_is_scikit_learns_on_transformed_gains(grades: list[int], cutoff: int, seed: int) -> None:
    scores = np.random.default_rng(seed).permutation(len(grades) + 1).astype(float)
    # scikit-learn refuses lists of one item: an irrelevant one at the end of both changes nothing.
    labels = np.array([*grades, 0.0])
    scores[-1] = -1.0
    ours = normalised_discounted_cumulative_gain(ranked_labels(labels, scores), cutoff)
    assert ours == pytest.approx(ndcg_score([2**labels - 1], [scores], k=cutoff))
    linear = normalised_discounted_cumulative_gain(ranked_labels(labels, scores), cutoff, gain="linear")
    assert linear == pytest.approx(ndcg_score([labels], [scores], k=cutoff))


@given(grades=GRADES, cutoff=st.integers(1, 12))
@settings(deadline=None)
def test_discounted_gain_is_the_sum_written_out(grades: list[int], cutoff: int) -> None:
    expected = sum((2**g - 1) / math.log2(rank + 1) for rank, g in enumerate(grades, 1) if rank <= cutoff)
    assert discounted_cumulative_gain(grades, cutoff) == pytest.approx(expected)


@given(grades=POSITIVE_GRADES)
@settings(deadline=None)
def test_average_precision_is_scikit_learns(grades: list[int]) -> None:
    relevant = np.array(grades) > 0
    scores = -np.arange(len(grades))
    assert average_precision(grades) == pytest.approx(average_precision_score(relevant, scores))


@given(grades=POSITIVE_GRADES, cutoff=st.integers(1, 12))
@settings(deadline=None)
def test_counting_metrics_are_what_a_loop_counts(grades: list[int], cutoff: int) -> None:
    top = [g > 0 for g in grades[:cutoff]]
    assert precision_at(grades, cutoff) == pytest.approx(sum(top) / cutoff)
    assert recall_at(grades, cutoff) == pytest.approx(sum(top) / sum(g > 0 for g in grades))
    assert hit_at(grades, cutoff) == float(any(top))
    assert reciprocal_rank(grades) == 1 / (1 + [g > 0 for g in grades].index(True))


@given(grades=POSITIVE_GRADES)
@settings(deadline=None)
def test_expected_reciprocal_rank_walks_down_the_cascade(grades: list[int]) -> None:
    expected, reaching = 0.0, 1.0
    for rank, grade in enumerate(grades, 1):
        satisfied = (2**grade - 1) / 2**4
        expected += reaching * satisfied / rank
        reaching *= 1 - satisfied
    assert expected_reciprocal_rank(grades, max_grade=4) == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
@given(grades=GRADES, padding=st.integers(0, 6))
@settings(deadline=None, max_examples=30)
def test_metrics_do_not_see_padding(name: str, grades: list[int], padding: int) -> None:
    padded = np.array([grades + [0] * padding])
    np.testing.assert_allclose(METRICS[name](padded)[0], METRICS[name](np.array(grades)), rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
@given(grades=POSITIVE_GRADES)
@settings(deadline=None, max_examples=30)
def test_no_order_beats_descending_grades(name: str, grades: list[int]) -> None:
    achieved, best = METRICS[name](grades), METRICS[name](sorted(grades, reverse=True))
    assert 0 <= achieved <= best + 1e-12
    assert best <= 1


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_undefined_without_a_relevant_item_and_warn_of_nothing(name: str) -> None:
    with np.errstate(all="raise"):
        values = METRICS[name](np.zeros((2, 4)))
    assert np.isnan(values).all()
    assert values.shape == (2,)


@given(seed=st.integers(0, 1000))
@settings(deadline=None)
def test_a_batch_is_its_lists_one_by_one(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, size=(2, 3, 5)).astype(float)
    for metric in METRICS.values():
        batch = metric(labels)
        assert batch.shape == (2, 3)
        single = [[metric(one) for one in row] for row in labels]
        np.testing.assert_allclose(batch, np.array(single, float))


@given(seed=st.integers(0, 1000), list_size=st.integers(1, 8))
@settings(deadline=None)
def test_ranking_by_masked_scores_puts_padding_last_as_irrelevant(seed: int, list_size: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(1, 4, list_size).astype(float), rng.integers(0, 3, list_size).astype(float)
    mask = rng.random(list_size) < 0.7
    ranked = ranked_labels(labels, scores, mask)
    present = [row for row in range(list_size) if mask[row]]
    expected = [labels[row] for row in sorted(present, key=lambda row: -scores[row])]
    assert ranked.tolist() == expected + [0.0] * (list_size - len(expected))


@given(grades=POSITIVE_GRADES, seed=st.integers(0, 1000))
@settings(deadline=None)
def test_rank_gain_of_a_swap_is_minus_that_of_its_reverse(grades: list[int], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(grades))
    labels = np.array(grades, float)
    there = rank_gain(labels[order], order + 1)
    back = rank_gain(labels, np.argsort(order) + 1)
    assert there == -back
    assert rank_gain(labels, np.arange(1, len(grades) + 1)) == 0


def test_rank_gain_adds_up_the_lifts_of_clicked_items_only() -> None:
    # Clicked items rose from ranks 4 and 3 to 1 and 2; the two that sank were not clicked.
    assert rank_gain([1, 1, 0, 0], base_ranks=[4, 3, 1, 2]) == 4


def test_a_cutoff_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="cutoff: 0"):
        precision_at([1.0], 0)


def test_a_label_above_the_scale_of_err_is_refused() -> None:
    with pytest.raises(ValueError, match=r"labels: 3\.0 is above max_grade 2"):
        expected_reciprocal_rank([3.0, 0.0], max_grade=2)
