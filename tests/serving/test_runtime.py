"""One request through all stages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.runtime import InvalidRequestError, SlateRanker
from serving.runtime.query import MAX_CANDIDATES
from tests.serving.small_bundles import STEPS, make_bundle, make_query


@settings(deadline=None, max_examples=60)
@given(candidates=st.integers(1, 20), seed=st.integers(0, 10**6), explore=st.booleans(), data=st.data())
def test_every_slate_is_a_selection_without_repetition_and_ranks_are_a_permutation(
    ranker, candidates, seed, explore, data
):
    slate_size = data.draw(st.integers(1, candidates))
    slate = ranker.rank(make_query(candidates, seed, slate_size=slate_size, explore=explore))
    assert len(slate.order) == slate_size
    assert len(set(slate.order)) == slate_size
    assert sorted(slate.ranks) == list(range(candidates))
    assert [int(slate.ranks[row]) for row in slate.order] == list(range(slate_size))
    assert (slate.propensity is not None) == explore


def test_gated_candidates_follow_all_that_pass(ranker):
    slate = ranker.rank(make_query(12, seed=3, slate_size=12))
    passing = int(slate.passed.sum())
    assert 0 < passing < 12
    assert slate.passed[list(slate.order[:passing])].all()
    assert not slate.passed[list(slate.order[passing:])].any()
    assert (slate.gate_scores >= -0.5).tolist() == slate.passed.tolist()


def test_unplaced_candidates_keep_the_base_order(ranker):
    slate = ranker.rank(make_query(12, seed=3, slate_size=12))
    passing = int(slate.passed.sum())
    rest = list(slate.order[min(STEPS, passing) : passing])
    assert (np.diff(slate.base_scores[rest]) <= 0).all()
    dropped = list(slate.order[passing:])
    assert (np.diff(slate.base_scores[dropped]) <= 0).all()


def test_probabilities_are_those_of_the_steps_and_absent_where_base_order_filled(ranker):
    query = make_query(6, seed=4, slate_size=6)
    slate = ranker.rank(query)
    placed = min(STEPS, int(slate.passed.sum()))
    quality = query.features[:, 1].astype(float)
    remaining = list(np.flatnonzero(slate.passed))
    for row, probability in zip(slate.order[:placed], slate.probabilities[:placed], strict=True):
        weights = np.exp(quality[remaining])
        assert row == remaining[int(np.argmax(weights))]
        assert probability == pytest.approx(weights.max() / weights.sum(), rel=1e-5)
        remaining.remove(row)
    assert np.isnan(slate.probabilities[placed:]).all()


def test_sampled_slates_occur_as_often_as_their_propensity_says(ranker):
    query = make_query(4, seed=11, slate_size=2, explore=True)
    query = make_query(4, seed=11, slate_size=2, explore=True, features=query.features * 0.5 + [[1.0, 0.0, 0.0]])
    counts: dict[tuple[int, ...], int] = {}
    propensity = {}
    draws = 3000
    for draw in range(draws):
        slate = ranker.rank(
            make_query(4, 11, slate_size=2, explore=True, features=query.features, request_id=f"draw-{draw}")
        )
        assert slate.propensity == pytest.approx(np.prod(slate.probabilities))
        counts[slate.order] = counts.get(slate.order, 0) + 1
        propensity[slate.order] = slate.propensity
    assert sum(propensity.values()) == pytest.approx(1, abs=1e-4)
    for order, expected in propensity.items():
        assert counts[order] / draws == pytest.approx(expected, abs=4 * np.sqrt(expected / draws))


def test_the_same_request_id_explores_alike(ranker):
    query = make_query(8, seed=2, explore=True)
    assert ranker.rank(query).order == ranker.rank(query).order


@pytest.mark.parametrize(
    ("kinds", "stage"), [(("base_ranker",), "base"), (("gate",), "gate"), (("base_ranker", "gate"), "both")]
)
def test_stages_are_optional(tmp_path, kinds, stage):
    slate = SlateRanker(make_bundle(tmp_path, kinds=kinds)).rank(make_query(9, seed=6, slate_size=9))
    assert np.isnan(slate.probabilities).all()
    scores = slate.base_scores if stage != "gate" else slate.gate_scores
    ordered = scores[list(slate.order)]
    if stage == "both":
        ordered = ordered[: int(slate.passed.sum())]
    assert (np.diff(ordered) <= 0).all()


BAD_QUERIES = [
    ("item_ids", {"item_ids": (), "features": np.zeros((0, 3), np.float32)}, "no candidates"),
    ("item_ids", {"item_ids": ("a",) * 8}, "item 'a' stands twice"),
    ("slate_size", {"slate_size": 9}, "9 for 8 candidates; give 1 to 8"),
    ("slate_size", {"slate_size": 0}, "0 for 8 candidates"),
    ("context", {"context": np.zeros(2, np.float32)}, "2 values, the model reads 1: context_hour"),
    ("context", {"context": np.array([np.inf], np.float32)}, "feature 'context_hour' is inf"),
    ("features", {"features": np.zeros((8, 2), np.float32)}, r"shape \(8, 2\), expected \(8, 3\)"),
    ("temperature", {"explore": True, "temperature": 0.0}, "give a number above 0"),
]


@pytest.mark.parametrize(("field", "changes", "message"), BAD_QUERIES)
def test_a_bad_query_is_refused_with_field_value_and_way_out(ranker, field, changes, message):
    with pytest.raises(InvalidRequestError, match=message) as caught:
        ranker.rank(make_query(**changes))
    assert caught.value.field == field


def test_a_feature_that_is_not_finite_is_named_with_its_item(ranker):
    features = make_query().features.copy()
    features[2, 1] = np.nan
    with pytest.raises(InvalidRequestError, match="feature 'quality' of item 'i2' is nan"):
        ranker.rank(make_query(features=features))


def test_too_many_candidates_are_refused(ranker):
    count = MAX_CANDIDATES + 1
    with pytest.raises(InvalidRequestError, match="give at most 1000"):
        ranker.rank(make_query(count, slate_size=4))
