"""One request as one `tf.train.Example`: item lists of variable length under their column names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.click_log import CONTEXT_PREFIX, TAG_PREFIX
from pipelines.image_features import joined_image_features

# Of the request: one value, taken from its first row. All other columns are lists over the items.
REQUEST_COLUMNS = ("request_id", "timestamp", "user_id")


class RowGroup(NamedTuple):
    """One row group of a prepared log; it holds whole requests."""

    path: str
    number: int


def row_groups(path: str) -> list[RowGroup]:
    """All row groups of the prepared Parquet file at `path`."""
    return [RowGroup(path, index) for index in range(pa.parquet.ParquetFile(path).num_row_groups)]


def request_examples(group: RowGroup, image_features: str = "") -> Iterator[tf.train.Example]:
    """The examples of one row group: its columns become arrays once, each request takes slices of them.

    Args:
        group: of the prepared log.
        image_features: file of `item_id` and the features of its thumbnail, which become columns too; or empty.
    """
    table = pa.parquet.ParquetFile(group.path).read_row_group(group.number)
    columns = {name: _values(table[name]) for name in table.column_names if not name.startswith(TAG_PREFIX)}
    if image_features:
        columns |= joined_image_features(image_features, table["item_id"].to_pylist())
    request_ids = columns["request_id"]
    starts = np.flatnonzero(np.concatenate([[True], request_ids[1:] != request_ids[:-1]]))
    for start, end in zip(starts, [*starts[1:], len(request_ids)], strict=True):
        features = {}
        for name, values in columns.items():
            of_request = name in REQUEST_COLUMNS or name.startswith(CONTEXT_PREFIX)
            features[name] = _feature(values[start : start + 1] if of_request else values[start:end])
        yield tf.train.Example(features=tf.train.Features(feature=features))


def _values(column: pa.ChunkedArray) -> NDArray:
    if pa.types.is_string(column.type):
        return np.array([text.encode() for text in column.to_pylist()], dtype=object)
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_numpy()
    return column.to_numpy()


def _feature(values: NDArray) -> tf.train.Feature:
    if values.dtype == object:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if np.issubdtype(values.dtype, np.integer):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
