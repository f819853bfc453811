"""The thumbnails of a catalogue: what is there, and what breaks the contract."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.thumbnails import content_hash, read_thumbnails, summarise_thumbnails, thumbnail_groups
from seriatim_errors import DataError

PICTURES = [b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", None, b"one"]
CLASSES = ["hat"] * 4 + ["shoe"] * 4 + ["shoe", None]
IDS = [f"i{place}" for place in range(10)]


def written(folder, row_group_size=10, **columns):
    path = folder / "items.parquet"
    given = {"item_id": IDS, "thumbnail": pa.array(PICTURES, pa.binary()), "thumbnail_class": CLASSES, **columns}
    table = pa.table({name: values for name, values in given.items() if values is not None})
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def summary(path, class_column="thumbnail_class"):
    return summarise_thumbnails(path, "thumbnail", class_column)


def test_items_pictures_and_classes_are_counted(tmp_path):
    found = summary(written(tmp_path))
    assert (found.items, found.pictures, found.labelled, found.class_names) == (10, 9, 8, ("hat", "shoe"))


def test_a_class_without_a_picture_teaches_nothing(tmp_path):
    """The ninth item is a shoe without a thumbnail."""
    assert summary(written(tmp_path)).labelled == CLASSES.count("hat") + CLASSES.count("shoe") - 1


def test_the_fingerprint_is_of_items_pictures_and_classes_alone(tmp_path):
    first = summary(written(tmp_path)).fingerprint
    assert summary(written(tmp_path, row_group_size=3, price=list(range(10)))).fingerprint == first
    assert summary(written(tmp_path, thumbnail=pa.array([*PICTURES[:-1], b"two"], pa.binary()))).fingerprint != first
    assert summary(written(tmp_path, thumbnail_class=[*CLASSES[:-1], "hat"])).fingerprint != first
    assert summary(written(tmp_path, item_id=[*IDS[:-1], "other"])).fingerprint != first


def test_row_groups_hold_the_rows_of_the_whole(tmp_path):
    path = written(tmp_path, row_group_size=4)
    [whole] = read_thumbnails(path, "thumbnail", "thumbnail_class")
    parts = [part for group in thumbnail_groups(path) for part in read_thumbnails(path, "thumbnail", None, group)]
    assert len(parts) == 3
    assert [item for part in parts for item in part.item_ids] == whole.item_ids == IDS
    assert [content for part in parts for content in part.contents] == whole.contents == PICTURES
    assert whole.classes == CLASSES


def test_an_empty_class_is_an_unknown_one(tmp_path):
    [part] = read_thumbnails(written(tmp_path, thumbnail_class=["", *CLASSES[1:]]), "thumbnail", "thumbnail_class")
    assert part.classes[0] is None


def test_one_content_has_one_name():
    assert content_hash(b"one") == content_hash(b"one") != content_hash(b"two")
    assert len(content_hash(b"")) == 32


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_id": ["i0"] * 10}, "item_id 'i0' stands twice"),
        ({"item_id": [None, *IDS[1:]]}, "a row without item_id"),
        ({"item_id": None}, r"column 'item_id' is missing \(found: thumbnail, thumbnail_class\)"),
        ({"thumbnail": None}, "column 'thumbnail' is missing"),
        ({"thumbnail_class": None}, "correct images.column or images.class_column"),
        ({"thumbnail": ["a"] * 10}, "holds string; give the bytes of image files"),
        ({"thumbnail": pa.array([None] * 10, pa.binary())}, "holds no image"),
        ({"thumbnail_class": [0.5] * 10}, "'thumbnail_class' holds double; give text"),
        ({"thumbnail_class": ["hat"] * 10}, "names 1 classes of thumbnails; name two or more"),
        ({"thumbnail_class": ["hat"] * 7 + ["shoe"] * 3}, "class 'shoe' has 2 thumbnails; give 4 or more"),
    ],
)
def test_what_breaks_the_contract_is_named(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        summary(written(tmp_path, **columns))


def test_classes_are_not_looked_at_where_none_are_needed(tmp_path):
    found = summary(written(tmp_path, thumbnail_class=None), None)
    assert (found.class_names, found.labelled) == ((), 0)


def test_files_that_are_no_catalogue_are_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        summary(tmp_path / "items.parquet")
    path = tmp_path / "items.csv"
    path.write_text("item_id,thumbnail\n")
    with pytest.raises(DataError, match="thumbnails are read from Parquet"):
        summary(path)
