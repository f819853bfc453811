from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from ranking.metrics import (
    bootstrap_interval,
    bootstrap_ratio_interval,
    clopper_pearson_interval,
    paired_difference_interval,
    wilson_interval,
)
from ranking.metrics import resampling as intervals_module

VALUES = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


@given(values=VALUES, seed=st.integers(0, 100))
@settings(deadline=None)
def test_an_interval_holds_the_mean_of_the_data_range(values: list[float], seed: int) -> None:
    interval = bootstrap_interval(values, samples=200, seed=seed)
    assert interval.value == pytest.approx(np.mean(values))
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.count == len(values)


@given(values=VALUES, missing=st.integers(1, 5))
@settings(deadline=None)
def test_undefined_values_are_left_out(values: list[float], missing: int) -> None:
    with_gaps = [*values, *[float("nan")] * missing]
    assert bootstrap_interval(with_gaps, samples=50) == bootstrap_interval(values, samples=50)


@given(values=VALUES, shift=st.floats(-3, 3), scale=st.floats(0.1, 4))
@settings(deadline=None)
def test_an_interval_moves_and_scales_with_its_data(values: list[float], shift: float, scale: float) -> None:
    before = bootstrap_interval(values, samples=100)
    after = bootstrap_interval(np.array(values) * scale + shift, samples=100)
    for name in ("value", "low", "high"):
        assert getattr(after, name) == pytest.approx(getattr(before, name) * scale + shift, abs=1e-6)


def test_intervals_cover_the_true_mean_about_as_often_as_they_promise() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        interval = bootstrap_interval(rng.normal(1.0, 2.0, 60), confidence=0.9, samples=300, seed=trial)
        covered += interval.low <= 1.0 <= interval.high
    assert 0.85 <= covered / 400 <= 0.93


def test_one_seed_fixes_the_interval_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(40)
    whole = bootstrap_interval(values, samples=100, seed=7)
    monkeypatch.setattr(intervals_module, "BLOCK_VALUES", 40 * 13)
    assert bootstrap_interval(values, samples=100, seed=7) == whole
    assert bootstrap_interval(values, samples=100, seed=8) != whole


def test_nothing_defined_gives_an_interval_of_count_zero() -> None:
    interval = bootstrap_interval([float("nan"), float("nan")])
    assert interval.count == 0
    assert np.isnan([interval.value, interval.low, interval.high]).all()


def test_pairing_makes_a_constant_difference_certain_however_noisy_the_requests() -> None:
    reference = np.random.default_rng(0).normal(0, 10, 50)
    interval = paired_difference_interval(reference + 0.5, reference)
    assert interval.low == pytest.approx(0.5)
    assert interval.high == pytest.approx(0.5)


def test_pairs_with_an_undefined_half_are_left_out() -> None:
    interval = paired_difference_interval([1.0, np.nan, 3.0], [0.5, 1.0, np.nan])
    assert (interval.value, interval.count) == (0.5, 1)


def test_metrics_of_different_requests_are_not_compared() -> None:
    with pytest.raises(ValueError, match="compare the same requests"):
        paired_difference_interval([1.0, 2.0], [1.0])


def test_a_ratio_weighs_requests_by_their_denominator() -> None:
    interval = bootstrap_ratio_interval([1.0, 0.0], [1.0, 9.0], samples=200)
    assert interval.value == pytest.approx(0.1)
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_dependence_within_requests_widens_a_ratio_interval() -> None:
    outcomes = np.random.default_rng(0).random(50) < 0.5
    clustered = bootstrap_ratio_interval(outcomes * 20.0, np.full(50, 20.0))
    by_item = wilson_interval(int(outcomes.sum() * 20), 1000)
    assert clustered.high - clustered.low > 3 * (by_item.high - by_item.low)


def test_a_ratio_without_any_denominator_is_undefined() -> None:
    assert bootstrap_ratio_interval([0.0, 0.0], [0.0, 0.0]).count == 0
    assert bootstrap_ratio_interval([], []).count == 0


@given(trials=st.integers(1, 300), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95, 0.99]))
@settings(deadline=None)
def test_rate_intervals_are_those_of_scipy(trials: int, share: float, confidence: float) -> None:
    successes = round(share * trials)
    reference = binomtest(successes, trials)
    for method, interval in (
        ("wilson", wilson_interval(successes, trials, confidence)),
        ("exact", clopper_pearson_interval(successes, trials, confidence)),
    ):
        expected = reference.proportion_ci(confidence, method=method)
        assert interval.low == pytest.approx(expected.low, abs=1e-9)
        assert interval.high == pytest.approx(expected.high, abs=1e-9)
        assert (interval.value, interval.count) == (successes / trials, trials)


def test_a_rate_of_no_trials_is_undefined() -> None:
    assert wilson_interval(0, 0).count == clopper_pearson_interval(0, 0).count == 0


@pytest.mark.parametrize("interval", [wilson_interval, clopper_pearson_interval])
def test_impossible_counts_and_confidences_are_refused(interval: object) -> None:
    assert callable(interval)
    with pytest.raises(ValueError, match="successes: 4 of 3 trials"):
        interval(4, 3)
    with pytest.raises(ValueError, match="confidence: 95"):
        interval(1, 3, 95)


def test_a_confidence_or_sample_count_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence: 1\.0"):
        bootstrap_interval([1.0], confidence=1.0)
    with pytest.raises(ValueError, match="samples: 0"):
        bootstrap_interval([1.0], samples=0)
    with pytest.raises(ValueError, match="one value a request"):
        bootstrap_interval([[1.0]])
