from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.metrics import request_sums as request_sums_module
from ranking.metrics import resampling as resampling_module
from ranking.metrics.request_sums import RequestSums
from ranking.metrics.resampling import interval_ends, resampled_sums

SEEDS = st.integers(0, 1000)


@given(seed=SEEDS, requests=st.integers(1, 40), columns=st.integers(1, 4), scale=st.floats(1e-300, 1e300))
def test_resampled_sums_are_those_of_the_rows_drawn(seed: int, requests: int, columns: int, scale: float) -> None:
    rows = scale / 100 * np.random.default_rng(seed).normal(size=(requests, columns))
    drawn = np.random.default_rng(seed).integers(requests, size=(20, requests))
    largest = np.abs(rows).max()
    np.testing.assert_allclose(resampled_sums(rows, 20, seed), rows[drawn].sum(axis=1), atol=1e-10 * largest)


@pytest.mark.parametrize("block", [1, 700, 1 << 22])
def test_resampled_sums_are_the_same_to_the_last_bit_whatever_the_block_and_its_other_columns(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    rows = np.random.default_rng(0).lognormal(0, 3, (300, 5))
    whole = resampled_sums(rows, 50, 1)
    monkeypatch.setattr(resampling_module, "BLOCK_VALUES", block)
    np.testing.assert_array_equal(resampled_sums(rows, 50, 1), whole)
    np.testing.assert_array_equal(resampled_sums(rows[:, 3:4], 50, 1), whole[:, 3:4])


def test_rows_of_zero_and_of_the_smallest_numbers_sum_without_a_warning() -> None:
    with np.errstate(all="raise", under="ignore"):
        drawn = resampled_sums(np.array([[0.0, 5e-324], [0.0, 5e-324]]), 5, 0)
    np.testing.assert_array_equal(drawn[:, 0], 0.0)


@given(seed=SEEDS, requests=st.integers(1, 50), confidence=st.floats(0.5, 0.999), skew=st.floats(0, 3))
def test_ends_are_never_inside_the_percentile_interval(
    seed: int, requests: int, confidence: float, skew: float
) -> None:
    rng = np.random.default_rng(seed)
    values, estimates = np.exp(skew * rng.normal(size=requests)), rng.normal(size=200)
    low, high = interval_ends(estimates, values - values.mean(), confidence)
    plain = np.quantile(estimates, [0.5 - confidence / 2, 0.5 + confidence / 2])
    assert estimates.min() <= low <= plain[0] + 1e-9
    assert plain[1] - 1e-9 <= high <= estimates.max()


def test_an_end_moves_towards_the_tail_that_skewness_tells_of() -> None:
    estimates = np.linspace(0, 1, 1001)
    symmetrical = np.array([-1.0, 1.0] * 20)
    skewed = np.array([-1.0] * 39 + [39.0])
    level = interval_ends(estimates, symmetrical, 0.95)
    right, left = interval_ends(estimates, skewed, 0.95), interval_ends(estimates, -skewed, 0.95)
    assert level[0] == pytest.approx(1 - level[1])
    assert right[0] == level[0]
    assert right[1] > level[1]
    assert left == pytest.approx((1 - right[1], 1 - right[0]))


def test_many_even_requests_get_the_percentile_interval() -> None:
    estimates = np.linspace(0, 1, 1001)
    assert interval_ends(estimates, np.array([-1.0, 1.0] * 100_000), 0.9) == pytest.approx((0.05, 0.95), abs=1e-4)


@given(cuts=st.lists(st.integers(0, 200), max_size=6), groups=st.sampled_from([16, 64, 256]))
@settings(max_examples=30)
def test_sums_of_requests_do_not_depend_on_the_chunks(cuts: list[int], groups: int) -> None:
    rows = np.random.default_rng(0).lognormal(0, 2, (2, 200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_sums_module, "GROUPS", groups)
        whole, parts = RequestSums(2), RequestSums(2)
        whole.add(rows)
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 200], strict=True):
            parts.add(rows[:, start:end])
            assert len(parts.rows) == min(end, groups)
        np.testing.assert_array_equal(parts.rows, whole.rows)
        assert parts.count == whole.count == 200
        if groups < 200:
            np.testing.assert_allclose(whole.rows.sum(axis=0), rows.sum(axis=1))
        else:
            np.testing.assert_array_equal(whole.rows, rows.T)


def test_groups_keep_the_variance_of_the_mean_in_whatever_order_requests_come() -> None:
    values = np.sort(np.random.default_rng(0).gamma(0.3, 1, 300_000))
    expected = values.var() / len(values)
    for ordered in (values, values[::-1], np.random.default_rng(1).permutation(values)):
        sums = RequestSums(2)
        sums.add(np.stack([ordered, np.ones(len(ordered))]))
        above, below = sums.rows.T
        assert below.min() >= 0
        residuals = above - values.mean() * below
        # The standard error of the variance from that many groups is 0.8 %.
        assert (residuals**2).sum() / len(values) ** 2 == pytest.approx(expected, rel=0.03)


def test_groups_are_of_even_size() -> None:
    sums = RequestSums(1)
    sums.add(np.ones((1, 50 * request_sums_module.GROUPS)))
    sizes = sums.rows[:, 0]
    # As of independent throws: the variance is the mean.
    assert sizes.var() == pytest.approx(50, rel=0.05)
