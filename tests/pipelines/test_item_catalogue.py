"""The item catalogue: read from every form alike, and every mistake in it named with its place."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.item_catalogue import ItemCatalogue, read_catalogue
from seriatim_errors import DataError

ITEMS = {
    "item_id": ["007", "i1", "NA", "ü"],
    "colour": ["red", None, "blue", "red"],
    "tag_eco": [1, 0, None, 1],
    "tag_sale": [None, None, 0, 1],
}
EXPECTED = [[1, -1], [0, -1], [-1, 0], [1, 1]]


def written(tmp_path, form, **changes):
    columns = {**ITEMS, **changes}
    columns = {name: values for name, values in columns.items() if values is not None}
    path = tmp_path / f"items.{form}"
    if form == "parquet":
        pa.parquet.write_table(pa.table(columns), path)
    elif form == "csv":
        pa.csv.write_csv(pa.table(columns), path)
    else:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_every_form_says_the_same(tmp_path, form):
    catalogue = read_catalogue(written(tmp_path, form), "tag_")
    assert catalogue.item_ids.tolist() == ITEMS["item_id"]
    assert catalogue.labels == ("eco", "sale")
    assert catalogue.tags.tolist() == EXPECTED
    assert catalogue.tags.dtype == np.int8


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, False, None, True]),
        pa.array([1.0, 0.0, None, 1.0]),
        pa.array(["1", "false", "", " TRUE "]),
        pa.array(["1", "0.0", "NA", "true"]).dictionary_encode(),
        pd.array(["1", "0", None, "1"], dtype="string"),
    ],
    ids=["booleans", "floats", "text", "dictionary", "text with null"],
)
def test_tags_are_read_whatever_type_holds_them(tmp_path, values):
    catalogue = read_catalogue(written(tmp_path, "parquet", tag_eco=values, tag_sale=[None] * 4), "tag_")
    assert catalogue.tags.tolist() == [[1, -1], [0, -1], [-1, -1], [1, -1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_id": None}, r"column 'item_id' is missing \(found: colour, tag_eco, tag_sale\)"),
        ({"item_id": ["a", "", "b", "c"]}, "row 2 has no item_id"),
        ({"item_id": ["a", "b", None, "c"]}, "row 3 has no item_id"),
        ({"item_id": ["a", "b", "c", "b"]}, "item_id 'b' stands in row 2 and again in row 4"),
        ({"item_id": [0.5, 1.5, 2.5, 3.5]}, "column 'item_id' holds double; give strings or whole numbers"),
        ({"tag_eco": [1, 0, 2, 7]}, r"column 'tag_eco' has 2 in row 3 \(2 such rows\); give 1, 0, or null"),
        ({"tag_eco": [1.0, 0.5, 0.0, 1.0]}, "column 'tag_eco' has 0.5 in row 2"),
        ({"tag_eco": [1.0, 0.0, 0.0, float("nan")]}, "column 'tag_eco' has nan in row 4"),
        ({"tag_eco": ["1", "0", "yes", "1"]}, "column 'tag_eco' has 'yes' in row 3"),
        ({"tag_eco": [[1], [0], [1], [0]]}, "column 'tag_eco' holds list<.*>; give 1, 0, or null"),
        ({"tag_": [1, 0, 1, 1]}, "column 'tag_' has no name after the prefix"),
        ({name: [] for name in ITEMS}, "has no rows"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, changes, message):
    path = written(tmp_path, "parquet", **changes)
    with pytest.raises(DataError, match=message) as refused:
        read_catalogue(path, "tag_")
    assert str(refused.value).startswith(f"data.items {path}")


def test_columns_without_the_prefix_are_no_tags_and_the_way_out_is_said(tmp_path):
    path = written(tmp_path, "parquet")
    with pytest.raises(DataError, match=r"no column starts with 'label_' \(found: item_id.*set labeller.label_prefix"):
        read_catalogue(path, "label_")
    assert read_catalogue(path, "tag_s").labels == ("ale",)


def test_a_column_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,tag_a,tag_a\nx,1,0\n")
    with pytest.raises(DataError, match="column 'tag_a' stands twice"):
        read_catalogue(path, "tag_")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("items.csv", b"item_id,tag_a\nx,1\ntorn\n", "line 3 is malformed: 'torn'"),
        ("items.jsonl", b'{"item_id": "x", "tag_a": 1}\nnonsense\n', "line 2 is malformed: 'nonsense'"),
        ("items.parquet", b"torn", "is not a readable Parquet file"),
        ("items.xlsx", b"x", "cannot tell its format"),
        ("items.txt", b"x", "cannot tell its format"),
        ("items.csv", b"", "is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_catalogue(tmp_path / name, "tag_")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent.parquet does not exist; .* or set labeller to null"):
        read_catalogue(tmp_path / "absent.parquet", "tag_")


@given(
    tags=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([-1, 0, 1]), min_size=width, max_size=width), min_size=1, max_size=12
        )
    ),
    prefix=st.sampled_from(["tag_", "label:"]),
)
@settings(deadline=None, max_examples=40)
def test_a_written_catalogue_is_read_again_with_its_fingerprint(tmp_path_factory, tags, prefix):
    path = tmp_path_factory.getbasetemp() / "again.parquet"
    labels = tuple(f"label {index}" for index in range(len(tags[0])))
    item_ids = np.array([f"i{row}" for row in range(len(tags))], object)
    catalogue = ItemCatalogue(item_ids, labels, np.array(tags, np.int8))
    catalogue.write(path, prefix)
    again = read_catalogue(path, prefix)
    assert again.item_ids.tolist() == item_ids.tolist()
    assert again.labels == labels
    assert again.tags.tolist() == tags
    assert again.fingerprint == catalogue.fingerprint


def test_the_fingerprint_follows_what_is_read_and_nothing_else(tmp_path):
    first = read_catalogue(written(tmp_path, "parquet"), "tag_").fingerprint
    assert read_catalogue(written(tmp_path, "csv", colour=["x"] * 4), "tag_").fingerprint == first
    for change in ({"tag_eco": [1, 0, 0, 1]}, {"item_id": ["a", "b", "c", "d"]}, {"tag_more": [1, 1, 1, 1]}):
        assert read_catalogue(written(tmp_path, "parquet", **change), "tag_").fingerprint != first
