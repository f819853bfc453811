from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ranking.metrics import (
    bootstrap_interval,
    group_moments,
    resampling,
    sliced_mean_intervals,
    upper_mean_bounds,
)
from ranking.metrics.resampling import interval_ends
from seriatim_errors import DataError

# Most requests do not differ; a few gain much or lose much.
RARE_GAIN = ([-0.1, 0.0, 0.9], [0.18, 0.8, 0.02])
RARE_HARM = ([-0.9, 0.0, 0.1], [0.02, 0.8, 0.18])
BALANCED = ([-0.3, 0.0, 0.3], [0.1, 0.8, 0.1])


def two_partitions(requests: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values of two columns, some undefined, and two partitions into three and four slices, one of them empty."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(requests, 2))
    values[rng.random(requests) < 0.2] = np.nan
    return values, np.stack([rng.integers(0, 3, requests), rng.integers(3, 6, requests)], axis=1)


@given(requests=st.integers(5, 60), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_every_slice_is_what_masking_and_resampling_by_hand_gives(requests: int, seed: int) -> None:
    values, slices = two_partitions(requests, seed)
    found = sliced_mean_intervals(values, slices, 7, confidence=0.8, samples=40, seed=seed)
    defined = ~np.isnan(values[:, 0])
    kept, members = values[defined], slices[defined]
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(kept), size=len(kept)) for _ in range(40)] if len(kept) else []
    for index in range(7):
        of_slice = (members == index).any(axis=1)
        assert found.count[index] == of_slice.sum()
        if not of_slice.any():
            assert np.isnan(found.value[index]).all()
            continue
        np.testing.assert_allclose(found.value[index], kept[of_slice].mean(axis=0))
        means = [kept[drawn][of_slice[drawn]].mean(axis=0) for drawn in draws if of_slice[drawn].any()]
        for column, estimates in enumerate(np.array(means).T):
            off = kept[of_slice, column] - kept[of_slice, column].mean()
            ends = interval_ends(estimates, off, 0.8)
            np.testing.assert_allclose([found.low[index, column], found.high[index, column]], ends, atol=1e-12)


def test_a_slice_of_all_requests_has_the_interval_of_the_whole() -> None:
    values, _ = two_partitions(200, 3)
    whole = bootstrap_interval(values[:, 1], samples=200, seed=5)
    found = sliced_mean_intervals(values, np.zeros((200, 1), np.int64), 1, samples=200, seed=5).interval(0, 1)
    assert found.count == whole.count
    np.testing.assert_allclose([found.value, found.low, found.high], [whole.value, whole.low, whole.high])


def test_the_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, slices = two_partitions(50, 1)
    whole = sliced_mean_intervals(values, slices, 7, samples=30)
    monkeypatch.setattr(resampling, "BLOCK_VALUES", 50 * 7)
    again = sliced_mean_intervals(values, slices, 7, samples=30)
    np.testing.assert_allclose(again.low, whole.low)


def test_without_a_defined_request_nothing_is_defined() -> None:
    found = sliced_mean_intervals(np.full((4, 2), np.nan), np.zeros((4, 1), np.int64), 2)
    assert found.count.tolist() == [0, 0]
    assert np.isnan(found.high).all()


@pytest.mark.parametrize(
    ("values", "slices", "error", "message"),
    [
        (np.zeros((3, 1)), np.zeros((2, 1), np.int64), ValueError, "one row a request in both"),
        (np.zeros((3, 1)), np.full((3, 1), 5), ValueError, "5 to 5 for 2 slices"),
        (np.array([[0.0], [np.inf]]), np.zeros((2, 1), np.int64), DataError, "request 1 has an infinite value"),
    ],
)
def test_what_cannot_be_sliced_is_refused(
    values: NDArray[np.float64], slices: NDArray[np.int64], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sliced_mean_intervals(values, slices, 2)


@given(seed=st.integers(0, 1000), requests=st.integers(1, 80))
@settings(deadline=None, max_examples=40)
def test_moments_are_those_of_each_group_alone(seed: int, requests: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=requests)
    groups = np.stack([rng.integers(0, 4, requests), rng.integers(4, 7, requests)], axis=1)
    moments = group_moments(values, groups, 8)
    for index in range(8):
        own = values[(groups == index).any(axis=1)]
        assert moments.count[index] == len(own)
        if len(own) > 1:
            expected = [own.mean(), own.std(ddof=1), stats.skew(own)]
            given = [moments.mean[index], moments.deviation[index], moments.skewness[index]]
            np.testing.assert_allclose(given, expected, rtol=1e-6, atol=1e-9)
    assert np.isnan(moments.mean[7])


@given(
    values=st.lists(st.floats(-1, 1), min_size=1, max_size=40),
    tail=st.floats(1e-4, 0.2),
)
@settings(deadline=None)
def test_a_bound_is_above_the_mean_and_rises_with_caution(values: list[float], tail: float) -> None:
    moments = group_moments(np.array(values), np.zeros((len(values), 1), np.int64), 1)
    [bound], [bolder] = (upper_mean_bounds(moments, 1.0, share) for share in (tail, 2 * tail))
    assert bound >= bolder - 1e-12
    assert bolder >= np.mean(values) - 1e-12


def test_a_few_requests_that_all_lose_are_not_certain_of_anything() -> None:
    values = np.full(3, -0.5)
    [bound] = upper_mean_bounds(group_moments(values, np.zeros((3, 1), np.int64), 1), 1.0, 0.001)
    assert bound > 0
    [many] = upper_mean_bounds(group_moments(np.full(500, -0.5), np.zeros((500, 1), np.int64), 1), 1.0, 0.001)
    assert -0.5 < many < -0.45


@pytest.mark.parametrize("kinds", [RARE_GAIN, RARE_HARM, BALANCED], ids=["rare gain", "rare harm", "balanced"])
@pytest.mark.parametrize("requests", [30, 100, 400])
@pytest.mark.parametrize("tail", [0.05, 0.002])
def test_a_true_mean_lies_above_its_bound_as_rarely_as_promised(
    kinds: tuple[list[float], list[float]], requests: int, tail: float
) -> None:
    trials = 4000
    drawn = np.random.default_rng(0).choice(kinds[0], size=(trials, requests), p=kinds[1])
    moments = group_moments(drawn.ravel(), np.repeat(np.arange(trials), requests)[:, None], trials)
    broken = int((upper_mean_bounds(moments, 0.9, tail) < np.dot(*kinds)).sum())
    assert stats.binomtest(broken, trials, tail, alternative="greater").pvalue > 0.01


def test_an_undefined_value_and_a_tail_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match="request 1 has nan"):
        group_moments(np.array([0.0, np.nan]), np.zeros((2, 1), np.int64), 1)
    moments = group_moments(np.zeros(2), np.zeros((2, 1), np.int64), 1)
    with pytest.raises(ValueError, match="tail: 1"):
        upper_mean_bounds(moments, 1.0, 1)
