"""Item features in an LMDB file: exact, in the bundle's columns, and refused by name when not sound."""

import asyncio
import dataclasses
import tempfile
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seriatim_errors import BundleError, DataError
from serving.bundle import Bundle, Features, ItemFeaturesEntry
from serving.features import LmdbStore, bundle_features
from serving.features.item_keys import HASHED, LONGEST_KEY, SCHEMA_KEY, item_key
from serving.features.row_reader import MOST_READERS
from serving.features.schema import StoreSchema
from tests.serving.feature_files import DEFAULTS, FEATURES, IDS, MATRIX, NAMES, look_up, write_small


@pytest.fixture
def path(tmp_path):
    return write_small(tmp_path / "data.mdb")


@pytest.fixture
def store(path):
    with_file = LmdbStore(path)
    yield with_file
    with_file.close_now()


def test_items_come_in_the_order_asked_for(store):
    found = look_up(store, ["c", "a"])
    assert found.matrix.dtype == np.float32
    assert found.matrix.tolist() == [[7, 8, 9], [1, 2, 3]]
    assert found.known.tolist() == [True, True]


def test_unknown_items_get_the_declared_defaults_and_are_told_apart(store):
    found = look_up(store, ["b?", "a", ""])
    assert found.matrix.tolist() == [DEFAULTS, [1, 2, 3], DEFAULTS]
    assert found.known.tolist() == [False, True, False]
    assert look_up(store, ["x"]).matrix.tolist() == [DEFAULTS]


def test_a_missing_value_gets_the_default_and_its_item_stays_known(store):
    declared = Features(item=NAMES, defaults={"quality": 0.25})
    found = look_up(store, ["b"], declared)
    assert found.matrix.tolist() == [[4, 0.25, 6]]
    assert found.known.tolist() == [True]


def test_columns_are_found_by_name(store):
    fewer = Features(item=("age", "price"))
    assert look_up(store, ["a", "zz"], fewer).matrix.tolist() == [[3, 1], [0, 0]]


def test_several_bundles_read_one_store_each_in_its_order(store):
    bundles = [Features(item=item) for item in (NAMES, NAMES[::-1], ("quality",))] * MOST_READERS
    for features in [*bundles, *bundles]:
        expected = [MATRIX[0, NAMES.index(name)] for name in features.item]
        assert look_up(store, ["a"], features).matrix.tolist() == [expected]


def test_a_feature_that_the_file_lacks_is_named(path, store):
    unread = Features(item=("price", "colour"))
    with pytest.raises(BundleError, match=r"data.mdb holds no feature 'colour'.*price, quality, age"):
        asyncio.run(store.check(unread))
    with pytest.raises(BundleError, match="holds no feature 'colour'"):
        LmdbStore(path, unread)
    asyncio.run(store.check(FEATURES))


def test_no_items_give_an_empty_matrix(store):
    found = look_up(store, [])
    assert found.matrix.shape == (0, 3)
    assert found.known.shape == (0,)


float32s = st.floats(width=32, allow_infinity=False, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(max_size=300), st.none(), max_size=12),
    st.integers(1, 1200),
    st.data(),
)
@example({"": None, "__schema__": None, "__hash__:x": None, "é" * 300: None, "x" * 511: None, "x" * 512: None}, 3, None)
def test_what_was_written_is_looked_up_bit_for_bit(ids, width, data):
    ids = list(ids)
    shape = (len(ids), width)
    matrix = (
        np.arange(len(ids) * width, dtype=np.float32).reshape(shape)
        if data is None
        else data.draw(hnp.arrays(np.float32, shape, elements=float32s, fill=float32s))
    )
    names = tuple(f"f{column}" for column in range(width))
    with tempfile.TemporaryDirectory() as folder:
        written = LmdbStore(write_small(Path(folder) / "data.mdb", ids, matrix, names))
        found = look_up(written, ids, Features(item=names))
        written.close_now()
    assert found.known.all()
    assert found.matrix.tobytes() == matrix.tobytes()


@given(st.text(max_size=600))
def test_every_id_has_a_key_that_a_store_takes_and_that_is_not_its_own(item_id):
    key = item_key(item_id)
    assert 0 < len(key) <= LONGEST_KEY
    assert key != SCHEMA_KEY
    assert key.startswith(HASHED) or key == item_id.encode()


def test_long_ids_that_begin_alike_stay_apart():
    assert item_key("x" * 600 + "a") != item_key("x" * 600 + "b")
    assert item_key("__schema__") != item_key("__hash__:" + "0" * 64)
    assert item_key("x" * LONGEST_KEY) == b"x" * LONGEST_KEY


def test_the_same_input_gives_the_same_bytes_and_no_file_beside_it(tmp_path):
    (tmp_path / "one").mkdir()
    one = write_small(tmp_path / "one" / "data.mdb")
    other = write_small(tmp_path / "other.mdb", IDS[::-1], MATRIX[::-1])
    assert one.read_bytes() == other.read_bytes()
    assert [file.name for file in one.parent.iterdir()] == ["data.mdb"]


def test_the_file_is_not_much_larger_than_its_rows(tmp_path):
    matrix = np.ones((5000, 136), np.float32)
    path = write_small(tmp_path / "data.mdb", [f"i{row}" for row in range(5000)], matrix, [f"f{n}" for n in range(136)])
    assert matrix.nbytes < path.stat().st_size < 1.2 * matrix.nbytes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ("a", "b", "a")}, "item 'a' stands twice"),
        ({"names": ("price", "age", "price")}, "feature 'price' stands twice"),
        ({"names": ("price", "age")}, r"shape \(3, 3\) for 3 items and 2 names"),
        ({"names": (), "matrix": np.zeros((3, 0), np.float32)}, "features"),
        ({"matrix": np.array([[1, 2, 3], [1, 2, 3], [1, np.inf, 3]], np.float32)}, "'quality' of item 'c' is inf"),
    ],
)
def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        write_small(tmp_path / "data.mdb", **changes)
    assert not list(tmp_path.iterdir())


def test_one_file_may_be_read_by_several_stores_at_a_time(path, store):
    second = LmdbStore(path)
    store.close_now()
    store.close_now()
    assert look_up(second, ["a"]).known.all()
    second.close_now()
    third = LmdbStore(path)
    assert look_up(third, ["a"]).known.all()
    third.close_now()


def cut(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (cut, "is cut short"),
        (lambda content: b"", "is no sound LMDB file"),
        (lambda content: b"\0" * len(content), "is no sound LMDB file"),
        (lambda content: b"no database at all" * 999, "is no sound LMDB file"),
    ],
    ids=["half", "empty", "zeros", "text"],
)
def test_a_broken_file_is_refused_by_name(path, broken, message):
    path.write_bytes(broken(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(BundleError, match=rf"data.mdb {message}.*restore the bundle"):
        LmdbStore(path)
    assert path.read_bytes() == before


def test_a_file_that_is_not_there_is_refused_by_name_and_not_made(tmp_path):
    with pytest.raises(BundleError, match=r"data.mdb cannot be read: No such file"):
        LmdbStore(tmp_path / "data.mdb")
    assert not list(tmp_path.iterdir())


def changed(path, key, value):
    """Write into the file as nobody should."""
    with lmdb.open(str(path), subdir=False, lock=False) as environment, environment.begin(write=True) as transaction:
        transaction.put(key, value) if value is not None else transaction.delete(key)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (None, "holds no schema"),
        (b"{", "schema of item features"),
        (StoreSchema.of(NAMES, 3).serialised().replace(b"-1", b"-2"), "format: .*seriatim-features-1"),
        (StoreSchema.of(NAMES, 3).serialised().replace(b"price", b"praise"), "fingerprint"),
        (StoreSchema.of(NAMES, 4).serialised(), "holds 3 items, its schema says 4"),
    ],
    ids=["none", "torn", "format", "names", "count"],
)
def test_a_file_with_another_schema_is_refused_by_name(path, schema, message):
    changed(path, SCHEMA_KEY, schema)
    with pytest.raises(BundleError, match=rf"data.mdb.*{message}"):
        LmdbStore(path)
    if schema is not None:
        changed(path, SCHEMA_KEY, StoreSchema.of(NAMES, 3).serialised())
        LmdbStore(path).close_now()


def test_a_row_of_another_length_is_an_unknown_item(path):
    changed(path, b"b", b"\0" * 8)
    store = LmdbStore(path)
    found = look_up(store, IDS)
    assert found.known.tolist() == [True, False, True]
    assert found.matrix[1].tolist() == DEFAULTS
    with pytest.raises(BundleError, match=r"the row of b'b' has 8 bytes, expected 12"):
        list(store.records())
    store.close_now()


def with_entry(folder, items):
    """A bundle of `tests.serving.small_bundles` with an entry of item features, not sealed."""

    def change(bundle):
        entry = ItemFeaturesEntry(file="data.mdb", items=items)
        return Bundle(folder, bundle.manifest.model_copy(update={"item_features": entry}))

    return change


def test_a_bundle_without_item_features_has_no_store(bundle):
    assert bundle.manifest.item_features is None
    assert bundle_features(bundle) is None


def test_the_store_of_a_bundle_is_held_to_its_manifest(bundle, path):
    store = bundle_features(with_entry(path.parent, 3)(bundle))
    assert look_up(store, ["a"]).known.all()
    store.close_now()
    with pytest.raises(BundleError, match="holds 3 items, the manifest says 5"):
        bundle_features(with_entry(path.parent, 5)(bundle))
    wider = bundle.manifest.features.model_copy(update={"item": (*NAMES, "colour")})
    named = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"features": wider}))
    with pytest.raises(BundleError, match="holds no feature 'colour'"):
        bundle_features(with_entry(path.parent, 3)(named))
