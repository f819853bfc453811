"""Requests that are ranked together get what each would get alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.runtime import Decoding, InvalidRequestError, SlateRanker
from tests.serving.small_bundles import make_bundle, make_query

ORDER = [Decoding.FULL, Decoding.ONE_STEP, Decoding.BASE]


def assert_equal_slates(one, other):
    assert one.order == other.order
    assert one.ranks.tolist() == other.ranks.tolist()
    assert one.passed.tolist() == other.passed.tolist()
    assert one.propensity == (None if other.propensity is None else pytest.approx(other.propensity, rel=1e-5))
    np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-5)
    np.testing.assert_allclose(one.base_scores, other.base_scores, rtol=1e-6)
    np.testing.assert_allclose(one.gate_scores, other.gate_scores, rtol=1e-6)
    assert one.labels.tolist() == other.labels.tolist()


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    explore=st.lists(st.sampled_from([None, 0.5, 2.0]), min_size=6, max_size=6),
    decoding=st.sampled_from(ORDER),
)
def test_a_batch_answers_as_its_requests_alone(labelled_ranker, sizes, explore, decoding):
    queries = [
        make_query(size, seed, explore=temperature is not None, temperature=temperature or 1.0)
        for seed, (size, temperature) in enumerate(zip(sizes, explore, strict=False))
    ]
    for query, slate in zip(queries, labelled_ranker.rank_batch(queries, decoding), strict=True):
        assert slate.decoding is decoding
        assert_equal_slates(slate, labelled_ranker.rank(query, decoding))


def test_a_bad_request_in_a_batch_harms_no_other(labelled_ranker):
    bad, overflowing = make_query(5, 1, slate_size=9), make_query(5, 2)
    overflowing.features[4] = [3e38, 0, 3e38]
    queries = [make_query(6, 3), bad, overflowing, make_query(7, 4)]
    first, second, third, fourth = labelled_ranker.rank_batch(queries)
    assert_equal_slates(first, labelled_ranker.rank(queries[0]))
    assert_equal_slates(fourth, labelled_ranker.rank(queries[3]))
    assert (second.field, third.field) == ("slate_size", "features")


def test_a_request_that_overflows_the_labeller_harms_no_other(tmp_path, monkeypatch):
    ranker = SlateRanker(make_bundle(tmp_path, kinds=("base_ranker", "labeller")))
    queries = [make_query(4, 1), make_query(4, 2), make_query(4, 3)]
    queries[1].features[:] = 3e38
    whole = ranker.labeller.labels

    def overflowing(matrix):
        if np.abs(matrix).max() > 1e30:
            raise OverflowError
        return whole(matrix)

    monkeypatch.setattr(ranker.labeller, "labels", overflowing)
    answers = ranker.rank_batch(queries)
    assert isinstance(answers[1], InvalidRequestError)
    assert "labeller overflows; the largest value is 3e+38" in str(answers[1])
    for place in (0, 2):
        assert answers[place].labels.tolist() == ranker.rank(queries[place]).labels.tolist()


def test_an_empty_batch_is_empty(ranker):
    assert ranker.rank_batch([]) == []


def test_less_decoding_leaves_the_re_ranker_out(ranker):
    query = make_query(8, seed=5, slate_size=8)
    base = ranker.rank(query, Decoding.BASE)
    passing = [row for row in base.order if base.passed[row]]
    assert (np.diff(base.base_scores[passing]) <= 0).all()
    assert np.isnan(base.probabilities).all()
    assert "seq2slate" in base.stage_seconds
    one = ranker.rank(query, Decoding.ONE_STEP)
    placed = [row for row in one.order if one.passed[row]][:6]
    assert (np.diff(query.features[placed, 1]) <= 0).all()


def test_one_step_samples_occur_as_often_as_their_propensity_says(ranker):
    features = make_query(4, seed=11).features * 0.5 + [[1.0, 0.0, 0.0]]
    counts, propensity, draws = {}, {}, 3000
    for draw in range(draws):
        query = make_query(4, 11, slate_size=2, explore=True, features=features, request_id=f"draw-{draw}")
        slate = ranker.rank(query, Decoding.ONE_STEP)
        counts[slate.order] = counts.get(slate.order, 0) + 1
        propensity[slate.order] = slate.propensity
    assert sum(propensity.values()) == pytest.approx(1, abs=1e-4)
    for order, expected in propensity.items():
        assert counts[order] / draws == pytest.approx(expected, abs=4 * np.sqrt(expected / draws))


def test_a_bundle_says_what_it_can_decode(ranker, tmp_path):
    assert ranker.decodings == ORDER
    assert SlateRanker(make_bundle(tmp_path, kinds=("base_ranker",))).decodings == [Decoding.FULL]
