"""One request through all stages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.bundle import Bundle
from serving.runtime import InvalidRequestError, SlateRanker
from serving.runtime.query import MAX_CANDIDATES
from tests.serving.label_forests import best_labels, hand_made_forest, write_forest
from tests.serving.small_bundles import LIST_SIZE, STEPS, make_bundle, make_query


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
    features = make_query(4, seed=11).features * 0.5 + [[1.0, 0.0, 0.0]]
    counts: dict[tuple[int, ...], int] = {}
    propensity = {}
    draws = 3000
    for draw in range(draws):
        slate = ranker.rank(make_query(4, 11, slate_size=2, explore=True, features=features, request_id=f"draw-{draw}"))
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
    ("item_ids", {"item_ids": (*"abcdefg", "")}, "place 7 has no id"),
    ("exploration.temperature", {"explore": True, "temperature": 0.0}, "0; give 0.001 to 1000"),
    ("exploration.temperature", {"explore": True, "temperature": np.nan}, "nan; give 0.001 to 1000"),
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


def test_a_long_message_keeps_its_start_and_its_way_out(ranker):
    names = tuple(f"{'long' * 50}-{row}" for row in range(8))
    features = np.full((8, 3), np.nan, np.float32)
    with pytest.raises(InvalidRequestError) as caught:
        ranker.rank(make_query(item_ids=names, features=features))
    assert len(caught.value.description) < 420
    assert caught.value.description.startswith("feature 'price'")
    assert caught.value.description.endswith("give finite numbers")


def test_features_that_overflow_the_re_ranker_are_refused_by_name(tmp_path):
    ranker = SlateRanker(make_bundle(tmp_path, kinds=("seq2slate",)))
    query = make_query(6, explore=True, temperature=0.1)
    query.features[2, 1] = 3e38
    with pytest.raises(InvalidRequestError, match=r"re-ranker overflows; .* is 3e\+38, feature 'quality'"):
        ranker.rank(query)


def test_a_gate_that_overflows_refuses_the_request(ranker):
    query = make_query(6)
    query.features[4] = [3e38, 0, 3e38]
    with pytest.raises(InvalidRequestError, match=r"gate overflows; .* of item 'i4'"):
        ranker.rank(query)


def test_the_re_ranker_reads_only_the_first_of_the_base_order(tmp_path):
    ranker = SlateRanker(make_bundle(tmp_path, kinds=("base_ranker", "seq2slate")))
    query = make_query(12, seed=9, slate_size=12)
    slate = ranker.rank(query)
    base_order = np.argsort(-slate.base_scores, kind="stable")
    assert set(slate.order[:STEPS]) <= set(base_order[:LIST_SIZE])
    assert list(slate.order[STEPS:]) == [row for row in base_order if row not in slate.order[:STEPS]]


def test_one_step_decoding_sorts_by_the_first_logits(tmp_path):
    ranker = SlateRanker(make_bundle(tmp_path, kinds=("base_ranker", "seq2slate"), decoding="one_step"))
    query = make_query(LIST_SIZE, seed=5, slate_size=LIST_SIZE)
    slate = ranker.rank(query)
    assert list(slate.order) == np.argsort(-query.features[:, 1], kind="stable").tolist()
    assert np.isnan(slate.probabilities).all()


def test_ties_of_the_base_ranker_keep_the_callers_order(tmp_path):
    ranker = SlateRanker(make_bundle(tmp_path, kinds=("base_ranker",)))
    query = make_query(7, slate_size=7, features=np.zeros((7, 3), np.float32))
    assert ranker.rank(query).order == tuple(range(7))


@settings(deadline=None, max_examples=60)
@given(candidates=st.integers(1, 16), seed=st.integers(0, 10**6), data=st.data())
def test_a_slate_is_what_the_stages_one_by_one_would_give(ranker, candidates, seed, data):
    slate_size = data.draw(st.integers(1, candidates))
    query = make_query(candidates, seed, slate_size=slate_size)
    price, quality, age = query.features.T
    base = ranker.rank(query).base_scores
    order = sorted(range(candidates), key=lambda row: -base[row])
    passing = [row for row in order if np.float32(price[row] + np.float32(0.5) * age[row]) >= -0.5]
    chosen = sorted(passing[:LIST_SIZE], key=lambda row: -quality[row])[:STEPS]
    expected = chosen + [row for row in passing if row not in chosen] + [row for row in order if row not in passing]
    assert list(ranker.rank(query).order) == expected[:slate_size]


@settings(deadline=None, max_examples=40)
@given(candidates=st.integers(1, 12), seed=st.integers(0, 10**6), explore=st.booleans(), data=st.data())
def test_the_placed_items_get_their_best_labels_and_nothing_else_changes(
    ranker, labelled_ranker, candidates, seed, explore, data
):
    slate_size = data.draw(st.integers(1, candidates))
    query = make_query(candidates, seed, slate_size=slate_size, explore=explore)
    slate, unlabelled = labelled_ranker.rank(query), ranker.rank(query)
    assert unlabelled.labels is None
    assert slate.order == unlabelled.order
    assert slate.propensity == unlabelled.propensity
    assert slate.labels.shape == (slate_size, 3)
    for row, labels in zip(slate.order, slate.labels, strict=True):
        price, _, age = query.features[row].astype(float)
        assert [labels.tolist()] == best_labels(hand_made_forest(), np.array([age, price])).tolist()


@pytest.fixture
def overflowing(tmp_path):
    """A ranker whose labeller overflows on a price of a billion and more."""
    bundle = make_bundle(tmp_path, kinds=("base_ranker", "labeller"))
    weights = hand_made_forest()["unary_weights"] * 1e300
    write_forest(bundle.folder / "labeller" / "model.npz", hand_made_forest(unary_weights=weights))
    return SlateRanker(Bundle(bundle.folder, bundle.manifest))


def test_a_labeller_that_overflows_refuses_the_request_by_the_placed_item(overflowing):
    query = make_query(6, slate_size=6)
    query.features[2, 0] = 1e9
    with pytest.raises(
        InvalidRequestError, match=r"labeller overflows; .* 1e\+09, feature 'price' of item 'i2'"
    ) as caught:
        overflowing.rank(query)
    assert caught.value.field == "features"


def test_items_that_are_not_placed_are_not_labelled(overflowing):
    query = make_query(6, slate_size=5)
    last = overflowing.rank(make_query(6, slate_size=6)).order[-1]
    query.features[last, 2] = 1e9
    slate = overflowing.rank(query)
    assert last not in slate.order
    assert len(slate.labels) == 5
