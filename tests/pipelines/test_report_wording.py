"""How numbers and names are written, and what an interval says beside a reference."""

import doctest

import pytest

from pipelines.report import wording
from pipelines.report.comparison import compare, deciding_row, label_order
from pipelines.report.metrics_file import Interval
from pipelines.report.wording import digits_for, metric_title, number, percent, policy_title, with_interval
from tests.pipelines.made_up_metrics import UNDEFINED, blessing, difference, interval, make_metrics


def test_the_examples_in_the_module_hold():
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("ndcg_at_10", "NDCG@10"),
        ("precision_at_5", "precision@5"),
        ("rank_gain", "rank gain"),
        ("mrr", "MRR"),
        ("snips", "SNIPS"),
        ("looked_at_twice", "looked at twice"),
        ("", ""),
    ],
)
def test_metrics_are_titled_as_the_field_writes_them(name, title):
    assert metric_title(name) == title


def test_a_policy_without_a_title_is_named_in_words():
    metrics = make_metrics()
    assert policy_title("base", metrics) == "Base ranker"
    assert policy_title("best_gate_score", metrics) == "Best gate score"
    assert policy_title("shadow_bundle", metrics) == "shadow bundle"


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (0.51234, 4, False, "0.5123"),
        (0.51234, 2, True, "+0.51"),
        (-0.51234, 2, True, "-0.51"),
        (-0.00001, 3, True, "0.000"),
        (-0.00001, 3, False, "0.000"),
        (-10.0, 2, False, "-10.00"),
        (None, 2, True, "not defined"),
    ],
)
def test_numbers_have_their_places_and_no_negative_zero(value, digits, signed, text):
    assert number(value, digits, signed) == text


@pytest.mark.parametrize(("width", "digits"), [(3.0, 2), (0.3, 3), (0.04, 4), (0.004, 5), (1e-9, 7)])
def test_decimal_places_follow_the_narrowest_interval(width, digits):
    wide = Interval(value=5, low=0, high=10, count=2)
    assert digits_for([wide, Interval(value=1, low=1, high=1 + width, count=2), UNDEFINED]) == digits


def test_decimal_places_are_four_where_no_interval_has_a_width():
    without = Interval(value=1, low=1, high=1 + 1e-14, count=2)
    assert digits_for([without]) == digits_for([UNDEFINED]) == digits_for([]) == 4


def test_an_undefined_value_says_so_without_brackets():
    assert with_interval(UNDEFINED) == "not defined"
    assert percent(None) == "not defined"
    assert with_interval(interval(0.5), 2, signed=True) == "+0.50 [+0.49, +0.52]"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.2, "above"),
        (-0.2, -0.1, "below"),
        (-0.1, 0.1, "undecided"),
        (0.0, 0.1, "undecided"),
        (0.0, 0.0, "identical"),
        (0.1, 0.1, "degenerate"),
    ],
)
def test_an_interval_is_read_beside_a_reference(low, high, verdict):
    assert compare(Interval(value=(low + high) / 2, low=low, high=high, count=9)) == verdict
    moved = Interval(value=(low + high) / 2 + 1, low=low + 1, high=high + 1, count=9)
    assert compare(moved, 1.0) == verdict


def test_an_undefined_interval_says_nothing_beside_any_reference():
    assert compare(UNDEFINED, 0.5) == "undefined"


def test_the_deciding_row_is_the_one_with_the_blessing_s_difference():
    metrics = make_metrics(blessing=blessing(difference=interval(0.0331)))
    assert deciding_row(metrics) == metrics.differences[1]
    assert label_order(metrics) == ["grades", "clicks"]
    assert label_order(make_metrics()) == ["clicks", "grades"]
    others = (difference("base", "served", "clicks", 0.0777), difference("served", "baseline", "clicks", 0.0777))
    assert deciding_row(make_metrics(differences=others)) is None
