"""Calibration of predicted click probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as their_log_loss

from ranking.metrics import (
    brier_score,
    calibration_ratio,
    expected_calibration_error,
    log_loss,
    reliability_table,
)
from seriatim_errors import DataError

SEEDS = st.integers(0, 1000)
MEASURES: dict[str, Callable[..., float]] = {
    "ece": expected_calibration_error,
    "ratio": calibration_ratio,
    "brier": brier_score,
    "log_loss": log_loss,
}


def predictions(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities with ties and certain ones among them, clicks of both kinds, and whole-number weights."""
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 11, count) / 10
    clicks = (rng.random(count) < 0.4).astype(float)
    clicks[:2] = 0, 1
    return probabilities, clicks, rng.integers(0, 4, count).astype(float) + (np.arange(count) < 2)


@given(seed=SEEDS)
@settings(deadline=None)
def test_brier_score_and_log_loss_are_scikit_learns(seed: int) -> None:
    probabilities, clicks, weights = predictions(seed)
    assert brier_score(probabilities, clicks) == pytest.approx(brier_score_loss(clicks, probabilities))
    assert log_loss(probabilities, clicks) == pytest.approx(their_log_loss(clicks, probabilities))
    weighted = brier_score_loss(clicks, probabilities, sample_weight=weights)
    assert brier_score(probabilities, clicks, weights) == pytest.approx(weighted)
    assert log_loss(probabilities, clicks, weights) == pytest.approx(
        their_log_loss(clicks, probabilities, sample_weight=weights)
    )


@given(seed=SEEDS)
@settings(deadline=None)
def test_the_reliability_table_of_distinct_predictions_is_scikit_learns_quantile_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, clicks = rng.random(50), (rng.random(50) < 0.5).astype(float)
    table = reliability_table(probabilities, clicks, bins=5)
    observed, predicted = calibration_curve(clicks, probabilities, n_bins=5, strategy="quantile")
    np.testing.assert_allclose(table.observed, observed)
    np.testing.assert_allclose(table.predicted, predicted)
    assert table.count.tolist() == [10] * 5


@given(seed=SEEDS, bins=st.integers(1, 12))
@settings(deadline=None)
def test_bins_keep_equal_predictions_together_and_ascend(seed: int, bins: int) -> None:
    probabilities, clicks, weights = predictions(seed)
    table = reliability_table(probabilities, clicks, bins, weights)
    assert 1 <= len(table.mass) <= bins
    assert table.mass.sum() == pytest.approx(1)
    assert (np.diff(table.predicted) > 0).all()
    assert table.count.sum() == (weights > 0).sum()
    shuffled = np.random.default_rng(seed).permutation(60)
    again = reliability_table(probabilities[shuffled], clicks[shuffled], bins, weights[shuffled])
    np.testing.assert_allclose(again.predicted, table.predicted)
    np.testing.assert_allclose(again.observed, table.observed)
    # The bins together lose nothing of the whole.
    assert table.mass @ table.predicted == pytest.approx(np.average(probabilities, weights=weights))
    assert table.mass @ table.observed == pytest.approx(np.average(clicks, weights=weights))


@pytest.mark.parametrize("name", MEASURES)
@given(seed=SEEDS)
@settings(deadline=None, max_examples=30)
def test_whole_number_weights_are_repeated_items_and_their_scale_does_not_matter(name: str, seed: int) -> None:
    probabilities, clicks, weights = predictions(seed)
    repeated = weights.astype(int)
    expected = MEASURES[name](np.repeat(probabilities, repeated), np.repeat(clicks, repeated))
    assert MEASURES[name](probabilities, clicks, weights=weights) == pytest.approx(expected)
    assert MEASURES[name](probabilities, clicks, weights=weights * 1e300) == pytest.approx(expected)


@pytest.mark.parametrize("name", MEASURES)
@given(seed=SEEDS)
@settings(deadline=None, max_examples=20)
def test_masked_items_do_not_count_whatever_they_hold(name: str, seed: int) -> None:
    probabilities, clicks, _ = predictions(seed)
    mask = (np.random.default_rng(seed).random(60) < 0.6) | (np.arange(60) < 2)
    garbage = np.where(mask, probabilities, np.nan).reshape(6, 10), np.where(mask, clicks, -1).reshape(6, 10)
    expected = MEASURES[name](probabilities[mask], clicks[mask])
    assert MEASURES[name](*garbage, mask=mask.reshape(6, 10)) == pytest.approx(expected)


def test_true_probabilities_have_little_calibration_error_and_doubled_ones_have_much() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 0.5, 100_000)
    clicks = (rng.random(100_000) < truth).astype(float)
    assert expected_calibration_error(truth, clicks) < 0.01
    assert calibration_ratio(truth, clicks) == pytest.approx(1, abs=0.02)
    assert expected_calibration_error(2 * truth, clicks) == pytest.approx(truth.mean(), abs=0.01)
    assert calibration_ratio(2 * truth, clicks) == pytest.approx(2, abs=0.04)


def test_one_constant_prediction_makes_one_bin() -> None:
    table = reliability_table(np.full(4, 0.3), [1, 0, 0, 0])
    assert (table.predicted.tolist(), table.observed.tolist()) == ([pytest.approx(0.3)], [0.25])
    assert expected_calibration_error(np.full(4, 0.3), [1, 0, 0, 0]) == pytest.approx(0.05)


def test_a_certain_prediction_that_fails_has_a_finite_log_loss() -> None:
    assert 30 < log_loss([1.0], [0]) < 40


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
@pytest.mark.parametrize(
    ("probabilities", "clicks", "options", "message"),
    [
        ([0.5, np.nan], [0, 1], {}, "probabilities: nan; give probabilities in"),
        ([0.5, 1.1], [0, 1], {}, r"probabilities: 1\.1"),
        ([0.5, 0.5], [0, 2], {}, r"clicks: 2\.0; give 0 or 1"),
        ([0.5, 0.5], [0, np.nan], {}, "clicks: nan"),
        ([0.5, 0.5], [1], {}, r"clicks: shape \(1,\)"),
        ([], [], {}, "no item counts"),
        ([0.5], [1], {"mask": [False]}, "no item counts"),
        ([0.5], [1], {"weights": [0.0]}, "no item counts"),
        ([0.5], [1], {"weights": [np.inf]}, "weights: inf"),
    ],
)
def test_what_cannot_be_calibrated_is_named(
    measure: Callable[..., float], probabilities: list, clicks: list, options: dict, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        measure(probabilities, clicks, **options)


def test_a_ratio_to_no_click_and_a_table_without_bins_are_refused() -> None:
    with pytest.raises(DataError, match="clicks: none on the 2 items"):
        calibration_ratio([0.1, 0.2], [0, 0])
    with pytest.raises(ValueError, match="bins: 0"):
        reliability_table([0.1], [0], bins=0)
