from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.standardisation import Standardisation


@given(seed=st.integers(0, 1000), log1p=st.booleans())
@settings(deadline=None)
def test_fitted_columns_have_mean_zero_and_deviation_one(seed: int, log1p: bool) -> None:
    features = np.random.default_rng(seed).normal(3.0, 5.0, size=(200, 4)).astype(np.float32)
    applied = Standardisation.fit(features, log1p).apply(features)
    assert applied.dtype == np.float32
    np.testing.assert_allclose(applied.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(applied.std(axis=0), 1.0, atol=1e-4)


def test_a_constant_column_becomes_zero_and_stays_finite() -> None:
    features = np.full((5, 2), 7.0, np.float32)
    fitted = Standardisation.fit(features)
    assert fitted.scale.tolist() == [1.0, 1.0]
    assert not fitted.apply(features).any()


def test_log1p_tames_heavy_tails_on_both_sides_of_zero() -> None:
    identity = Standardisation(np.zeros(1, np.float32), np.ones(1, np.float32), log1p=True)
    applied = identity.apply(np.array([[-1e6], [0.0], [1e6]], np.float32))
    np.testing.assert_allclose(applied.ravel(), [-np.log1p(1e6), 0.0, np.log1p(1e6)], rtol=1e-6)


@pytest.mark.parametrize("log1p", [False, True])
def test_the_tensor_expression_equals_the_array_one(log1p: bool) -> None:
    tf = pytest.importorskip("tensorflow")
    features = np.random.default_rng(0).normal(0.0, 100.0, size=(50, 6)).astype(np.float32)
    fitted = Standardisation.fit(features, log1p)
    in_graph = tf.function(fitted.apply_tensor)(tf.constant(features)).numpy()
    np.testing.assert_allclose(in_graph, fitted.apply(features), rtol=1e-6, atol=1e-6)
