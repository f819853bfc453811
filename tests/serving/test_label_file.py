"""The labeller's file: whatever is wrong with it is named."""

import itertools

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from seriatim_errors import BundleError
from serving.runtime.label_file import MAX_STATES, read_label_file
from tests.serving.label_forests import distances, hand_made_forest, random_forest, write_forest

FEATURES = ("price", "quality", "age")


def with_value(key, place, value):
    """The hand-made forest with one number of `key` replaced."""
    values = hand_made_forest()[key].copy()
    values[place] = value
    return {key: values}


def test_a_sound_file_is_read_whole(tmp_path):
    weights = np.ones((1, 2, 3, 3))
    arrays = hand_made_forest(pair_columns=np.array([1]), pair_weights=weights, temperature=np.array(0.5))
    file = read_label_file(write_forest(tmp_path / "labeller.npz", arrays), FEATURES)
    assert file.feature_names == ("age", "price")
    assert file.label_names == ("tag_new", "tag_popular", "size")
    assert file.state_names == (("0", "1"), ("0", "1"), ("small", "medium", "large"))
    assert file.states.tolist() == [2, 2, 3]
    assert file.temperature == 0.5
    for key in ("unary_weights", "unary_bias", "edges", "pair_tables", "pair_columns", "pair_weights"):
        np.testing.assert_array_equal(getattr(file, key), arrays[key])


def test_a_file_without_pair_features_or_edges_has_empty_ones(tmp_path):
    arrays = hand_made_forest(edges=np.zeros((0, 2), np.int64), pair_tables=np.zeros((0, 3, 3)))
    file = read_label_file(write_forest(tmp_path / "labeller.npz", arrays), FEATURES)
    assert (file.edges.shape, file.pair_columns.shape, file.pair_weights.shape) == ((0, 2), (0,), (0, 0, 3, 3))
    assert np.isnan(file.temperature)


MISTAKES = [
    ({"format": None}, "key format is missing"),
    ({"temperature": None}, "key temperature is missing"),
    ({"pair_columns": np.array([0])}, "key pair_weights is missing"),
    ({"pair_weights": np.zeros((1, 2, 3, 3))}, "key pair_columns is missing"),
    ({"colour": np.array(1)}, "unknown key colour, known are format, "),
    ({"format": np.array("seriatim-labeller-2")}, "format is 'seriatim-labeller-2', this release reads '.*-1'"),
    ({"format": np.array(1)}, "format is of type int64, expected text"),
    ({"feature_names": np.array(["age", "size"])}, "feature_names names 'size', which is not among the manifest's"),
    ({"feature_names": np.array(["age", "age"])}, "feature_names holds 'age' at place 1, expected different names"),
    ({"feature_names": np.array([["age", "price"]])}, r"feature_names has the shape \[1, 2\], expected \[any\]"),
    ({"feature_names": np.array([0, 1])}, "feature_names is of type int64, expected text"),
    ({"label_names": np.array(["a", "", "c"])}, "label_names holds '' at place 1"),
    ({"label_names": np.array([], str)}, "label_names is empty, expected at least one label"),
    ({"label_names": np.array(["a", "b"])}, r"state_names has the shape \[3, 3\], expected \[2, any\]"),
    ({"state_names": np.array([["0"]] * 3)}, "state_names has room for 1 states, expected 2 to 255"),
    ({"state_names": np.full((3, MAX_STATES + 1), "")}, "state_names has room for 256 states"),
    ({"state_names": np.array([["0", "1", "2"]] * 3)}, "state_names gives label 'tag_new' .*expected 2 different"),
    ({"state_names": np.array([["0", "0", ""]] * 3)}, "state_names gives label 'tag_new' .*expected 2 different"),
    ({"state_names": np.array([["0", "1", ""]] * 3)}, "state_names gives label 'size' .*expected 3 different"),
    (with_value("states", 0, 1), "states gives label 'tag_new' 1 states, expected 2 to 3"),
    (with_value("states", 2, 4), "states gives label 'size' 4 states, expected 2 to 3"),
    ({"states": np.array([2.0, 2.0, 3.0])}, "states is of type float64, expected int64"),
    ({"unary_weights": np.zeros((3, 3, 3))}, r"unary_weights has the shape \[3, 3, 3\], expected \[2, 3, 3\]"),
    ({"unary_weights": np.zeros((2, 3, 3), np.float32)}, "unary_weights is of type float32, expected float64"),
    (with_value("unary_weights", (1, 2, 0), np.nan), r"unary_weights holds nan at \[1, 2, 0\], expected finite"),
    (with_value("unary_bias", (2, 1), np.inf), r"unary_bias holds inf at \[2, 1\], expected a finite number"),
    (with_value("unary_bias", (2, 1), -np.inf), r"unary_bias holds -inf at \[2, 1\], expected a finite number"),
    (with_value("unary_bias", (0, 2), 0.5), r"unary_bias holds 0.5 at \[0, 2\], expected -inf, for the label has no"),
    (with_value("unary_bias", (0, 2), np.nan), r"unary_bias holds nan at \[0, 2\], expected -inf"),
    ({"unary_bias": np.zeros((3, 2))}, r"unary_bias has the shape \[3, 2\], expected \[3, 3\]"),
    ({"edges": np.array([[1, 0], [1, 2]])}, r"edges holds \[1, 0\] at place 0, expected two labels of 0 to 2"),
    ({"edges": np.array([[0, 1], [1, 1]])}, r"edges holds \[1, 1\] at place 1"),
    ({"edges": np.array([[0, 1], [1, 3]])}, r"edges holds \[1, 3\] at place 1"),
    ({"edges": np.array([[-1, 1], [1, 2]])}, r"edges holds \[-1, 1\] at place 0"),
    ({"edges": np.array([[1, 2], [0, 1]])}, r"edges holds \[0, 1\] after \[1, 2\], expected rising order"),
    (
        {"edges": np.array([[0, 1], [0, 1]])},
        r"edges holds \[0, 1\] after \[0, 1\], expected rising order, each edge once",
    ),
    ({"edges": np.array([[0, 1], [0, 2], [1, 2]])}, r"edges close a circle with \[1, 2\], 'tag_popular' and 'size'"),
    ({"edges": np.array([0, 1])}, r"edges has the shape \[2\], expected \[any, 2\]"),
    ({"edges": np.zeros((0, 2))}, "edges is of type float64, expected int64"),
    ({"pair_tables": np.zeros((1, 3, 3))}, r"pair_tables has the shape \[1, 3, 3\], expected \[2, 3, 3\]"),
    (with_value("pair_tables", (1, 0, 2), -np.inf), r"pair_tables holds -inf at \[1, 0, 2\], expected finite"),
    (
        {"pair_columns": np.array([2]), "pair_weights": np.zeros((1, 2, 3, 3))},
        "pair_columns holds 2, expected columns 0 to 1",
    ),
    (
        {"pair_columns": np.array([-1]), "pair_weights": np.zeros((1, 2, 3, 3))},
        "pair_columns holds -1, expected columns 0 to 1",
    ),
    (
        {"pair_columns": np.array([0, 1]), "pair_weights": np.zeros((1, 2, 3, 3))},
        r"pair_weights has the shape \[1, 2, 3, 3\], expected \[2, 2, 3, 3\]",
    ),
    (
        {"pair_columns": np.array([0]), "pair_weights": np.full((1, 2, 3, 3), np.inf)},
        r"pair_weights holds inf at \[0, 0, 0, 0\]",
    ),
    ({"temperature": np.array(0.0)}, "temperature is 0, expected a positive number, or nan"),
    ({"temperature": np.array(np.inf)}, "temperature is inf, expected a positive number"),
    ({"temperature": np.array([1.0])}, r"temperature has the shape \[1\], expected \[\]"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_a_bad_file_is_refused_with_key_value_and_way_out(tmp_path, changes, message):
    path = write_forest(tmp_path / "labeller.npz", hand_made_forest(**changes))
    with pytest.raises(BundleError, match=rf"labeller.npz: {message}.*; use another version"):
        read_label_file(path, FEATURES)


@settings(deadline=None, max_examples=200)
@given(labels=st.integers(4, 12), missing=st.integers(0, 5), seed=st.integers(0, 10**6))
def test_edges_are_accepted_exactly_where_they_form_a_forest(tmp_path_factory, labels, missing, seed):
    pairs = list(itertools.combinations(range(labels), 2))
    chosen = np.random.default_rng(seed).choice(len(pairs), max(0, labels - missing), replace=False)
    edges = np.array([pairs[place] for place in sorted(chosen)], np.int64).reshape(-1, 2)
    arrays = random_forest(np.random.default_rng(0), [2] * labels, 0.0)
    arrays |= {"edges": edges, "pair_tables": np.zeros((len(edges), 2, 2))}
    path = write_forest(tmp_path_factory.getbasetemp() / "edges.npz", arrays)
    components = len(np.unique(np.isfinite(distances(edges, labels)), axis=0))
    is_forest = len(edges) + components == labels
    event(f"forest: {is_forest}")
    if is_forest:
        assert len(read_label_file(path, ("f0", "f1", "f2")).edges) == len(edges)
    else:
        with pytest.raises(BundleError, match="edges close a circle"):
            read_label_file(path, ("f0", "f1", "f2"))


def test_what_is_no_archive_of_arrays_is_refused(tmp_path):
    path = tmp_path / "labeller.npz"
    with pytest.raises(BundleError, match=r"labeller.npz is no .npz of a label forest: .*; use another version"):
        read_label_file(path, FEATURES)
    sound = write_forest(path, hand_made_forest()).read_bytes()
    np.save(tmp_path / "single.npy", np.zeros(3))
    for content in (b"", b"no archive", sound[:200], (tmp_path / "single.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"is no .npz of a label forest"):
            read_label_file(path, FEATURES)
    write_forest(path, hand_made_forest(label_names=np.array(["a", "b", None], object)))
    with pytest.raises(BundleError, match=r"is no .npz of a label forest: Object arrays cannot be loaded"):
        read_label_file(path, FEATURES)
