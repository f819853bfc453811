from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranking.metrics.intervals import bootstrap_ratio_interval
from ranking.off_policy.ratios import RatioTerms, mean_of, ratio_intervals
from seriatim_errors import DataError

SEEDS = st.integers(0, 1000)


@given(seed=SEEDS, confidence=st.floats(0.5, 0.99))
def test_one_term_has_the_interval_of_a_ratio_of_request_sums(seed: int, confidence: float) -> None:
    above, below = np.random.default_rng(seed).random((2, 30))
    request = np.arange(30) // 3
    found = ratio_intervals([RatioTerms(above, below), mean_of(above)], [confidence, 0.9], request, 40, seed)[0]
    sums = [np.bincount(request, values) for values in (above, below)]
    other = bootstrap_ratio_interval(sums[0], sums[1], confidence, 40, seed)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((other.value, other.low, other.high), rel=1e-12)
    assert found.count == other.count


@given(seed=SEEDS)
def test_terms_are_added(seed: int) -> None:
    above, below = np.random.default_rng(seed).random((2, 20, 3))
    found = RatioTerms(above, below).value
    assert found == pytest.approx(sum(above[:, k].sum() / below[:, k].sum() for k in range(3)))
    assert mean_of(above).value == pytest.approx(above.sum(axis=1).mean())


def test_a_term_without_a_denominator_has_no_value_and_resamples_without_one_are_left_out() -> None:
    nothing = RatioTerms(np.ones((2, 2)), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert nothing.value is None
    assert ratio_intervals([nothing], [0.95], np.arange(2), 10, 0) == [None]
    rare = RatioTerms(np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    found = ratio_intervals([rare], [0.95], np.arange(3), 50, 0)[0]
    assert found is not None
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_bad_settings_and_sums_are_refused() -> None:
    terms = mean_of(np.ones(3))
    with pytest.raises(ValueError, match="confidence: 1"):
        ratio_intervals([terms], [1.0], np.arange(3), 10, 0)
    with pytest.raises(ValueError, match="samples: 0"):
        ratio_intervals([terms], [0.9], np.arange(3), 0, 0)
    with pytest.raises(DataError, match="not finite"):
        ratio_intervals([mean_of(np.array([1.0, np.inf]))], [0.9], np.arange(2), 10, 0)
