"""Metrics of labels: scikit-learn's where all is known, counted by hand where not, intervals that hold the value."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, hamming_loss

from pipelines.evaluation.label_metrics import compare_labels, item_sums, metrics_of_sums


def values_of(truth, predicted):
    metrics = metrics_of_sums(item_sums(np.asarray(truth), np.asarray(predicted)).sum(axis=0))
    return {name: float(value) for name, value in metrics.items()}


@st.composite
def tables(draw, known_only=False):
    """Truth and two predictions of the same items."""
    items, labels = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    truths = st.integers(0, 1) if known_only else st.integers(-1, 1)

    def table(values):
        row = st.lists(values, min_size=labels, max_size=labels)
        return np.array(draw(st.lists(row, min_size=items, max_size=items)))

    return table(truths), table(st.integers(0, 1)), table(st.integers(0, 1))


@given(tables(known_only=True))
@settings(deadline=None)
def test_where_all_tags_are_known_the_values_are_those_of_scikit_learn(drawn):
    truth, predicted, _ = drawn
    occurs = (truth + predicted).any(axis=0)
    values = values_of(truth, predicted)
    assert values["hamming_loss"] == pytest.approx(hamming_loss(truth, predicted))
    assert values["subset_accuracy"] == pytest.approx((truth == predicted).all(axis=1).mean())
    if truth.shape[1] > 1:
        assert values["subset_accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    hits = ((truth == 1) & (predicted == 1)).sum()
    if occurs.any():
        assert values["micro_f1"] == pytest.approx(2 * hits / (truth.sum() + predicted.sum()))
        by_label = [
            f1_score(truth[:, label], predicted[:, label], zero_division=0.0) for label in np.flatnonzero(occurs)
        ]
        assert values["macro_f1"] == pytest.approx(np.mean(by_label))
    else:
        assert np.isnan([values["micro_f1"], values["macro_f1"]]).all()


def test_what_is_not_known_counts_nowhere():
    truth = [[1, -1, 0], [0, 1, -1], [-1, -1, -1]]
    predicted = [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    values = values_of(truth, predicted)
    assert values["hamming_loss"] == pytest.approx(1 / 4)
    assert values["subset_accuracy"] == pytest.approx(1 / 2)
    assert values["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1))
    # The third tag is neither present nor predicted where it is known.
    assert values["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)


@given(drawn=tables(), fill=st.integers(0, 1))
@settings(deadline=None)
def test_predictions_where_nothing_is_known_change_nothing(drawn, fill):
    truth, predicted, _ = drawn
    np.testing.assert_equal(values_of(truth, predicted), values_of(truth, np.where(truth == -1, fill, predicted)))


@given(drawn=tables(), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_swapping_the_two_predictions_turns_every_difference_round(drawn, seed):
    truth, one, other = drawn
    forth = compare_labels(truth, one, other, samples=20, seed=seed)
    back = compare_labels(truth, other, one, samples=20, seed=seed)
    for metric, row in forth.items():
        np.testing.assert_equal(astuple(row.first), astuple(back[metric].second))
        assert row.difference.value == pytest.approx(-back[metric].difference.value, nan_ok=True)
        assert row.difference.low == pytest.approx(-back[metric].difference.high, nan_ok=True)
    same = compare_labels(truth, one, one, samples=20, seed=seed)
    for row in same.values():
        assert row.difference.count == 0 or (row.difference.low, row.difference.high) == (0.0, 0.0)


def test_an_item_without_a_known_tag_is_not_counted():
    truth = np.array([[1, 0], [-1, -1], [0, 1]])
    row = compare_labels(truth, truth.clip(0), truth.clip(0))["subset_accuracy"]
    assert (row.first.count, row.first.value) == (2, 1.0)


def test_a_metric_that_is_not_defined_has_no_interval():
    compared = compare_labels(np.zeros((3, 2), int), np.zeros((3, 2), int), np.zeros((3, 2), int))
    assert compared["micro_f1"].first.count == 0
    assert np.isnan(compared["micro_f1"].difference.value)
    assert compared["hamming_loss"].first.value == 0.0


def test_the_interval_of_a_difference_covers_its_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    chances, covered = np.array([0.9, 0.7]), 0
    for _ in range(200):
        truth = rng.integers(0, 2, size=(60, 3))
        first, second = (np.where(rng.uniform(size=truth.shape) < chance, truth, 1 - truth) for chance in chances)
        row = compare_labels(truth, first, second, samples=200)["hamming_loss"].difference
        covered += row.low <= -0.2 <= row.high
    assert 180 <= covered <= 198
