"""Joint labels: exactly the best of all, as trying every labeling finds it."""

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from serving.runtime import labeller as labeller_module
from serving.runtime.labeller import Labeller
from tests.serving.label_forests import best_labels, distances, hand_made_forest, random_forest, write_forest
from tests.serving.small_bundles import CONTEXT, ITEM

NAMES = ("f0", "f1", "f2")
TRIED = 20_000


def few_enough(states):
    """As many of the labels as can be tried in all combinations."""
    kept = int((np.cumprod(states) <= TRIED).sum())
    return states[:kept]


STATES = st.lists(st.integers(2, 4), min_size=1, max_size=10).map(few_enough)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labeller.npz"


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    states=STATES | st.lists(st.just(2), min_size=1, max_size=10),
    edge_share=st.sampled_from([0.0, 0.7, 1.0]),
    pair_columns=st.integers(0, 2),
)
def test_labels_are_the_best_of_all_labelings(tmp_path_factory, seed, states, edge_share, pair_columns):
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, states, edge_share, pair_columns)
    file = write_forest(tmp_path_factory.getbasetemp() / "random.npz", forest)
    features = rng.normal(size=(3, 3)).astype(np.float32)
    labels = Labeller(file, NAMES).labels(features)
    assert labels.dtype == np.int64
    event(f"{len(states)} labels, {len(forest['edges'])} edges")
    for row, found in zip(features.astype(float), labels, strict=True):
        assert [found.tolist()] == best_labels(forest, row).tolist()


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 10**6), states=STATES, pair_columns=st.integers(0, 1))
def test_of_equally_good_labels_the_smallest_state_is_taken_roots_first(tmp_path_factory, seed, states, pair_columns):
    rng = np.random.default_rng(seed)

    def small_whole_numbers(size):
        return rng.integers(-1, 2, size).astype(float)

    forest = random_forest(rng, states, 0.8, pair_columns, small_whole_numbers)
    file = write_forest(tmp_path_factory.getbasetemp() / "ties.npz", forest)
    features = rng.integers(-1, 2, (3, 3)).astype(np.float32)
    steps = distances(forest["edges"], len(states))
    farthest = np.where(np.isfinite(steps), steps, 0).max(axis=1)
    centres = {min(np.flatnonzero(np.isfinite(row)), key=lambda label: (farthest[label], label)) for row in steps}
    downwards = sorted(range(len(states)), key=lambda label: min(steps[label, centre] for centre in centres))
    for row, found in zip(features.astype(float), Labeller(file, NAMES).labels(features), strict=True):
        best = best_labels(forest, row)
        event(f"ties: {len(best) > 1}")
        assert found.tolist() == min(best.tolist(), key=lambda labels: [labels[label] for label in downwards])


def test_a_state_that_a_label_lacks_is_never_taken(path):
    forest = random_forest(np.random.default_rng(0), [2, 4, 3, 2], 1.0)
    forest["pair_tables"][:] = 1e6
    forest["pair_tables"][:, :2, :2] = 0
    labels = Labeller(write_forest(path, forest), NAMES).labels(np.zeros((1, 3)))
    assert (labels < forest["states"]).all()


def test_a_forbidden_pair_leaves_the_rest_of_the_scores_exact(path):
    forest = random_forest(np.random.default_rng(0), [2, 2, 2], 0.0)
    forest["edges"] = np.array([[0, 1], [1, 2]])
    forest["pair_tables"] = np.zeros((2, 2, 2))
    forest["pair_tables"][:, 0, 0] = -1e30
    forest["unary_weights"][:] = 0
    forest["unary_bias"] = np.array([[0.0, 0.25], [0.5, 0.0], [0.0, 0.125]])
    assert Labeller(write_forest(path, forest), NAMES).labels(np.zeros((1, 3))).tolist() == [[1, 0, 1]]
    forest["unary_bias"][1] = [0.0, 0.5]
    assert Labeller(write_forest(path, forest), NAMES).labels(np.zeros((1, 3))).tolist() == [[1, 1, 1]]
    forest["unary_bias"][0] = [0.25, 0.0]
    assert Labeller(write_forest(path, forest), NAMES).labels(np.zeros((1, 3))).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("pair_columns", [0, 2])
def test_items_in_one_batch_get_the_labels_they_get_alone(path, monkeypatch, pair_columns):
    rng = np.random.default_rng(1)

    def whole_numbers(size):
        return rng.integers(-9, 10, size).astype(float)

    write_forest(path, random_forest(rng, [2, 3, 2, 4, 2], 1.0, pair_columns, whole_numbers))
    features = rng.integers(-9, 10, (23, 3)).astype(np.float32)
    alone = np.concatenate([Labeller(path, NAMES).labels(row[np.newaxis]) for row in features])
    monkeypatch.setattr(labeller_module, "CACHED_SCORES", 1)
    monkeypatch.setattr(labeller_module, "LEAST_ITEMS", 5)
    np.testing.assert_array_equal(Labeller(path, NAMES).labels(features), alone)


def test_no_items_have_no_labels(path):
    write_forest(path, hand_made_forest())
    assert Labeller(path, CONTEXT + ITEM).labels(np.zeros((0, 4), np.float32)).shape == (0, 3)


def test_many_children_of_one_label_are_all_heard(path):
    leaves = 3 * labeller_module.CHILDREN_ADDED
    forest = random_forest(np.random.default_rng(0), [2] * (leaves + 1), 0.0)
    forest["edges"] = np.array([[0, leaf] for leaf in range(1, leaves + 1)])
    forest["unary_weights"][:], forest["unary_bias"][:] = 0, 0
    forest["unary_bias"][0, 0] = leaves - 0.5
    forest["pair_tables"] = np.zeros((leaves, 2, 2))
    forest["pair_tables"][:, 1, 1] = 1
    assert Labeller(write_forest(path, forest), NAMES).labels(np.zeros((1, 3))).tolist() == [[1] * (leaves + 1)]
    forest["unary_bias"][0, 0] = leaves + 0.5
    assert Labeller(write_forest(path, forest), NAMES).labels(np.zeros((1, 3))).tolist() == [[0] * (leaves + 1)]


def test_wide_depths_are_added_up_by_parent_whatever_the_grouping(path, monkeypatch):
    rng = np.random.default_rng(3)
    write_forest(path, random_forest(rng, [2] * 120, 1.0))
    features = rng.normal(size=(20, 3))
    expected = Labeller(path, NAMES).labels(features)
    for children in (1, 2, 1000):
        monkeypatch.setattr(labeller_module, "CHILDREN_ADDED", children)
        np.testing.assert_array_equal(Labeller(path, NAMES).labels(features), expected)


def test_columns_are_found_by_name(path):
    write_forest(path, hand_made_forest())
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    age, price = CONTEXT + ITEM, ("price", "context_hour", "age", "quality")
    reordered = features[:, [age.index(name) for name in price]]
    labels = Labeller(path, age).labels(features)
    assert len(np.unique(labels, axis=0)) > 4
    np.testing.assert_array_equal(Labeller(path, price).labels(reordered), labels)


def test_labels_follow_from_the_scores_of_the_hand_made_forest(path):
    labeller = Labeller(write_forest(path, hand_made_forest()), ("price", "age"))
    labels = labeller.labels(np.array([[2.0, -1.0], [-2.0, 4.0], [0.125, -1.0], [0.125, 4.0]]))
    assert [labeller.named(row) for row in labels] == [
        [("tag_new", ""), ("tag_popular", ""), ("size", "large")],
        [("size", "small")],
        [("tag_new", ""), ("tag_popular", ""), ("size", "large")],
        [("size", "large")],
    ]


def test_only_states_named_0_and_1_make_a_tag(path):
    names = np.array([["1", "0", ""], ["no", "yes", ""], ["0", "1", "2"]])
    labeller = Labeller(write_forest(path, hand_made_forest(state_names=names)), ITEM)
    assert labeller.named(np.array([0, 1, 0])) == [("tag_new", "1"), ("tag_popular", "yes"), ("size", "0")]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(path, value):
    labeller = Labeller(write_forest(path, hand_made_forest()), ("price", "age"))
    with pytest.raises(OverflowError, match="outside what float64 can carry"):
        labeller.labels(np.array([[0.0, 1.0], [value, 1.0]]))


@pytest.mark.parametrize("sign", [1, -1])
def test_pair_scores_that_overflow_are_refused(path, sign):
    weights = np.zeros((1, 2, 3, 3))
    weights[0, 0, 1, 1] = sign * 1e300
    forest = hand_made_forest(pair_columns=np.array([1]), pair_weights=weights)
    labeller = Labeller(write_forest(path, forest), ("price", "age"))
    with pytest.raises(OverflowError, match="outside what float64 can carry"):
        labeller.labels(np.array([[3e38, 0.0]]))


def test_sums_of_finite_scores_that_overflow_on_their_way_up_are_refused(path):
    tables = np.full((2, 3, 3), 1.5e308)
    labeller = Labeller(write_forest(path, hand_made_forest(pair_tables=tables)), ("price", "age"))
    with pytest.raises(OverflowError, match="outside what float64 can carry"):
        labeller.labels(np.zeros((1, 2)))
