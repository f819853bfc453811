"""How sure a stage is, and who leaves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import entropy

from serving.images.confidence import confidence_of, leaves

KINDS = ("max_probability", "margin", "entropy")


def normalised(weights):
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


PROBABILITIES = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(1e-6, 1)
).map(normalised)


@pytest.mark.parametrize(("kind", "uniform"), [("max_probability", 0.25), ("margin", 0.0), ("entropy", 0.0)])
def test_certainty_has_confidence_one_and_ignorance_the_least(kind, uniform):
    rows = np.array([[0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25]], np.float32)
    assert confidence_of(rows, kind).tolist() == [1.0, uniform]


@given(PROBABILITIES)
def test_confidences_are_what_their_names_say(rows):
    ordered = np.sort(rows.astype(np.float64), axis=1)
    expected = {
        "max_probability": ordered[:, -1],
        "margin": ordered[:, -1] - ordered[:, -2],
        "entropy": 1 - entropy(rows.astype(np.float64), axis=1) / math.log(rows.shape[1]),
    }
    for kind in KINDS:
        found = confidence_of(rows, kind)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.clip(expected[kind], 0, 1), atol=1e-6)


@given(PROBABILITIES, st.sampled_from(KINDS))
def test_a_row_is_judged_alike_alone_and_among_others(rows, kind):
    together = confidence_of(rows, kind)
    alone = [confidence_of(rows[place : place + 1], kind)[0] for place in range(len(rows))]
    assert together.tolist() == alone


@given(arrays.arrays(np.float64, (8, 2), elements=st.floats(1e-6, 1)).map(normalised))
def test_of_two_classes_all_kinds_give_one_order(rows):
    by_maximum = confidence_of(rows, "max_probability")
    for kind in ("margin", "entropy"):
        confidences = confidence_of(rows, kind)[np.argsort(by_maximum, kind="stable")]
        assert (np.diff(confidences) >= -1e-6).all()


def test_a_row_leaves_at_its_threshold():
    assert leaves(0.8, 0.8)
    assert leaves(np.float32(0.1), 0.1)
    assert not leaves(np.nextafter(np.float32(0.8), np.float32(0)), 0.8)


def test_a_threshold_of_zero_lets_all_leave_and_one_above_one_none():
    assert leaves(0.0, 0.0)
    assert not leaves(1.0, 1.5)


def test_all_leave_the_last_stage_and_what_is_no_number_no_other():
    assert leaves(float("nan"), None)
    assert not leaves(float("nan"), 0.0)
