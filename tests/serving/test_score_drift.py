"""The population stability index against its formula, over a sliding window."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.bundle import Manifest
from serving.monitoring.score_drift import LEAST_SHARE, ScoreDrift, stability_index

DECILES = tuple(np.arange(1, 10) / 10)


def index_by_hand(scores, deciles):
    """The definition, bin by bin; deciles without ties."""
    edges = [-np.inf, *deciles, np.inf]
    index = 0.0
    for low, high in pairwise(edges):
        share = max(np.mean([(low < score <= high) for score in scores]), LEAST_SHARE)
        index += (share - 0.1) * np.log(share / 0.1)
    return index


@given(st.lists(st.floats(-1, 2, width=32), min_size=1, max_size=60))
def test_the_index_is_the_formula_s(scores):
    deciles = np.asarray(DECILES, np.float32)
    drift = ScoreDrift(deciles)
    drift.observe([np.array(scores, np.float32)])
    assert drift.index == pytest.approx(index_by_hand(scores, deciles), abs=1e-9)


def test_scores_like_the_evaluation_s_do_not_drift_and_shifted_ones_do():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=20_000)
    deciles = np.quantile(reference, np.arange(1, 10) / 10)
    alike, shifted = ScoreDrift(deciles), ScoreDrift(deciles)
    for _ in range(100):
        alike.observe([rng.normal(size=100).astype(np.float32)])
        shifted.observe([rng.normal(1, 1, size=100).astype(np.float32)])
    assert alike.index < 0.01
    assert shifted.index > 0.5


def test_the_window_forgets_what_was_long_ago():
    drift = ScoreDrift(DECILES, window=1000)
    even = (np.arange(100) / 100 + 0.005).astype(np.float32)
    drift.observe([np.full(100, 5, np.float32)] * 10)
    assert drift.index > 1
    for _ in range(10):
        drift.observe([even])
    assert drift.index == pytest.approx(0, abs=1e-9)


def test_equal_deciles_share_a_bin_and_a_constant_model_does_not_drift():
    constant = ScoreDrift([0.5] * 9)
    # Nine tenths lie at the edge, and the last tenth above it: a constant reference sees none above.
    constant.observe([np.full(100, 0.5, np.float32)])
    assert constant.index == pytest.approx(stability_index(np.array([1.0, 0.0]), np.array([0.9, 0.1])))
    tied = ScoreDrift([0, 0, 0, 1, 2, 3, 4, 5, 6])
    scores = np.concatenate([np.zeros(30), np.arange(1, 7).repeat(10), np.full(10, 9)]).astype(np.float32)
    tied.observe([scores])
    assert (tied.news(), sum(tied.news())) == ([30, 10, 10, 10, 10, 10, 10, 10], 0)
    assert tied.index == pytest.approx(0, abs=1e-9)


def test_before_the_first_score_there_is_no_drift():
    assert ScoreDrift(DECILES).index == 0


@pytest.mark.parametrize("deciles", [[1.0] * 8, [float("nan"), *[1.0] * 8], [2.0, *[1.0] * 8]])
def test_a_manifest_with_other_than_nine_deciles_in_order_is_refused(bundle, deciles):
    values = {**bundle.manifest.model_dump(), "score_deciles": deciles}
    with pytest.raises(ValidationError, match="score_deciles"):
        Manifest.model_validate(values)
