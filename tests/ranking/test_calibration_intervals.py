"""Calibration with intervals equals the plain metrics, and tells chance from error."""

import numpy as np
import pytest

from ranking.metrics import (
    Predictions,
    brier_score,
    calibration,
    expected_calibration_error,
    log_loss,
    rates_by_score,
    reliability_table,
)
from seriatim_errors import DataError


def drawn(requests=400, items=10, seed=0, wrong=0.0):
    """Predictions whose outcomes are drawn by them, but for `wrong` of the logit."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 1.0, requests * items)
    outcome = (rng.random(len(logits)) < 1 / (1 + np.exp(-logits))).astype(float)
    return Predictions(1 / (1 + np.exp(-(1 + wrong) * logits)), outcome, np.arange(requests).repeat(items), requests)


def test_values_are_those_of_the_plain_metrics():
    given = drawn()
    found, table = calibration(given), reliability_table(given.predicted, given.outcome)
    assert found.error == pytest.approx(expected_calibration_error(given.predicted, given.outcome), abs=1e-12)
    assert found.brier.value == pytest.approx(brier_score(given.predicted, given.outcome), abs=1e-12)
    assert found.log_loss.value == pytest.approx(log_loss(given.predicted, given.outcome), abs=1e-12)
    assert [one.items for one in found.bins] == table.count.tolist()
    np.testing.assert_allclose([one.predicted for one in found.bins], table.predicted)
    np.testing.assert_allclose([one.observed.value for one in found.bins], table.observed)


def test_an_error_above_chance_is_told_from_chance():
    right = [calibration(drawn(seed=seed)) for seed in range(20)]
    by_chance = np.mean([one.error_by_chance for one in right])
    assert np.mean([one.error for one in right]) == pytest.approx(by_chance, rel=0.2)
    off = calibration(drawn(wrong=1.0))
    assert off.error > 3 * off.error_by_chance


def test_a_share_of_clicks_counts_as_that_many_items():
    shares = Predictions(np.array([0.2, 0.7]), np.array([0.5, 0.25]), np.array([0, 0]), 1)
    whole = Predictions(np.array([0.2] * 4 + [0.7] * 4), np.array([1, 1, 0, 0, 1, 0, 0, 0.0]), np.zeros(8, int), 1)
    one, other = calibration(shares), calibration(whole)
    assert one.brier.value == pytest.approx(other.brier.value)
    assert one.log_loss.value == pytest.approx(other.log_loss.value)
    assert one.error == pytest.approx(other.error)


def test_intervals_are_by_request():
    # Every item of a request has one outcome, so that ten items say no more than one.
    rng = np.random.default_rng(0)
    outcome = (rng.random(200) < 0.3).astype(float)
    alone = rates_by_score(Predictions(np.zeros(200), outcome, np.arange(200), 200))
    alike = rates_by_score(Predictions(np.zeros(2000), outcome.repeat(10), np.arange(200).repeat(10), 200))
    assert alike[0].observed == alone[0].observed
    assert (alone[0].items, alike[0].items, alike[0].observed.count) == (200, 2000, 200)


def test_any_score_has_rates_and_only_probabilities_have_errors():
    given = Predictions(np.array([-3.0, 5.0]), np.array([0.0, 1.0]), np.array([0, 1]), 2)
    assert [one.observed.value for one in rates_by_score(given, bins=2)] == [0.0, 1.0]
    with pytest.raises(DataError, match=r"predicted: -3\.0 to 5\.0; give probabilities"):
        calibration(given)


@pytest.mark.parametrize(
    ("predicted", "outcome", "message"),
    [
        ([], [], "no item"),
        ([0.5], [0.5, 0.5], "shapes"),
        ([np.nan], [0.5], "not all finite"),
        ([0.5], [1.5], "outcome: 1.5 to 1.5"),
    ],
)
def test_wrong_input_is_named(predicted, outcome, message):
    with pytest.raises(DataError, match=message):
        Predictions(np.array(predicted), np.array(outcome), np.zeros(len(predicted), int), 1)


def test_bins_of_scores_that_hardly_differ_rise_all_the_same():
    low, high = 0.1, np.nextafter(0.1, 1.0)
    scores = np.r_[np.full(18, low), np.full(12, high)]
    assert np.bincount(np.zeros(18, int), scores[:18])[0] / 18 > high, "a sum that is not rounded up tests nothing"
    found = [one.predicted for one in rates_by_score(Predictions(scores, np.zeros(30), np.arange(30), 30), bins=2)]
    assert found == [low, high]
