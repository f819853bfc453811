"""The thumbnails of a catalogue, and the classes that are known of some of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from seriatim_errors import DataError

# A class needs some images to learn from and some to judge by.
FEWEST_OF_A_CLASS = 4
BATCH_ROWS = 1024


@dataclass(frozen=True)
class ThumbnailSummary:
    """What a catalogue says of its items' thumbnails.

    Attributes:
        items: rows of the catalogue.
        pictures: of them with a thumbnail.
        class_names: the classes that are known of thumbnails, sorted; empty where no class column is asked for.
        labelled: thumbnails of known class.
        fingerprint: sha256 of items, thumbnails and classes, 16 hex digits.
    """

    items: int
    pictures: int
    class_names: tuple[str, ...]
    labelled: int
    fingerprint: str


@dataclass(frozen=True)
class Thumbnails:
    """Some rows of a catalogue.

    Attributes:
        item_ids: names of the items.
        contents: the encoded images; None where an item has none.
        classes: None where unknown or not asked for.
    """

    item_ids: list[str]
    contents: list[bytes | None]
    classes: list[str | None]


def summarise_thumbnails(path: Path, column: str, class_column: str | None) -> ThumbnailSummary:
    """Read a catalogue's thumbnails once, to know what is there before anything is trained.

    Args:
        path: Parquet file with `item_id` and the columns below; other columns are not looked at.
        column: of the encoded images, JPEG, PNG or WebP; null where an item has none.
        class_column: of the known classes, as text; null where unknown. None when none are needed.

    Raises:
        DataError: the file is absent or no Parquet file, lacks a column or holds it in another type, an item stands
            twice or has no name, there is no thumbnail, or a class has too few.
    """
    digest = hashlib.sha256()
    seen: set[str] = set()
    pictures, counts = 0, dict[str, int]()
    for rows in read_thumbnails(path, column, class_column):
        for item, content, known in zip(rows.item_ids, rows.contents, rows.classes, strict=True):
            if item in seen:
                raise DataError(f"data.items {path}: item_id {item!r} stands twice; keep one row an item")
            seen.add(item)
            digest.update(json.dumps([item, known]).encode())
            digest.update(b"" if content is None else hashlib.sha256(content).digest())
            if content is not None:
                pictures += 1
                if known is not None:
                    counts[known] = counts.get(known, 0) + 1
    if not pictures:
        raise DataError(f"data.items {path}: column {column!r} holds no image; fill it in, or set images to null")
    if class_column is not None:
        _check_classes(path, class_column, counts)
    return ThumbnailSummary(len(seen), pictures, tuple(sorted(counts)), sum(counts.values()), digest.hexdigest()[:16])


def thumbnail_groups(path: Path) -> range:
    """The row groups of a catalogue, by which workers share it."""
    return range(pa.parquet.ParquetFile(path).num_row_groups)


def read_thumbnails(
    path: Path, column: str, class_column: str | None, group: int | None = None
) -> Iterator[Thumbnails]:
    """The rows of a catalogue or of one row group, some at a time, so that no more images are in memory.

    Raises:
        DataError: as `summarise_thumbnails`, except for what only the whole file tells.
    """
    try:
        file = pa.parquet.ParquetFile(path)
    except FileNotFoundError:
        raise DataError(f"data.items {path} does not exist; give an item catalogue, or set images to null") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"data.items {path} is no Parquet file ({error}); thumbnails are read from Parquet") from None
    schema = file.schema_arrow
    wanted = ["item_id", column, *([] if class_column is None else [class_column])]
    for name in wanted:
        if name not in schema.names:
            raise DataError(
                f"data.items {path}: column {name!r} is missing (found: {', '.join(schema.names)}); "
                "correct images.column or images.class_column"
            )
    _require(path, column, schema.field(column).type, binary=True)
    for name in wanted[:1] + wanted[2:]:
        _require(path, name, schema.field(name).type, binary=False)
    groups = None if group is None else [group]
    for batch in file.iter_batches(BATCH_ROWS, groups, wanted):
        item_ids = [str(item) if item is not None else "" for item in batch["item_id"].to_pylist()]
        if "" in item_ids:
            raise DataError(f"data.items {path} has a row without item_id; name the item")
        classes = [None] * len(batch) if class_column is None else batch[class_column].to_pylist()
        yield Thumbnails(item_ids, batch[column].to_pylist(), [None if one in (None, "") else one for one in classes])


def content_hash(content: bytes) -> str:
    """What an image is known by: sha256 of its file, 32 hex digits."""
    return hashlib.sha256(content).hexdigest()[:32]


def class_places(classes: list[str], class_names: tuple[str, ...]) -> NDArray[np.int64]:
    """Places of classes among their names, int64 `[rows]`."""
    place = {name: index for index, name in enumerate(class_names)}
    return np.array([place[name] for name in classes], np.int64)


def _require(path: Path, name: str, kind: pa.DataType, binary: bool) -> None:
    if binary and not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise DataError(f"data.items {path}: column {name!r} holds {kind}; give the bytes of image files")
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
    if not binary and not (text or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise DataError(f"data.items {path}: column {name!r} holds {kind}; give text")


def _check_classes(path: Path, class_column: str, counts: dict[str, int]) -> None:
    if len(counts) < 2:
        raise DataError(
            f"data.items {path}: column {class_column!r} names {len(counts)} classes of thumbnails; name two or more, "
            "give images.cascade, or set images to null"
        )
    rare = min(counts, key=lambda name: counts[name])
    if counts[rare] < FEWEST_OF_A_CLASS:
        raise DataError(
            f"data.items {path}: class {rare!r} has {counts[rare]} thumbnails; give {FEWEST_OF_A_CLASS} or more of "
            f"every class in {class_column!r}, or leave it out"
        )
