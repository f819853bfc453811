"""Requests of a prepared log as record batches, and those as files of one `tf.train.Example` a request."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf
from numpy.typing import NDArray
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from pipelines.click_log import CONTEXT_PREFIX, TAG_PREFIX
from pipelines.image_features import joined_image_features

# Of the request: one value, taken from its first row. All other columns are lists over the items.
REQUEST_COLUMNS = ("request_id", "timestamp", "user_id")
ROW_GROUPS_PER_SHARD = 128
# The fastest level costs a third of the time of the usual one, and a file is a tenth larger.
COMPRESSION = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)


class Shard(NamedTuple):
    """What becomes one file: row groups `first` up to `end` of the prepared log at `path`, as `number` of `shards`."""

    path: str
    first: int
    end: int
    number: int
    shards: int


def shards_of(path: str) -> list[Shard]:
    """All shards of the prepared Parquet file at `path`; each holds whole row groups, and so whole requests."""
    groups = pa.parquet.ParquetFile(path).num_row_groups
    starts = range(0, groups, ROW_GROUPS_PER_SHARD)
    return [
        Shard(path, start, min(start + ROW_GROUPS_PER_SHARD, groups), number, len(starts))
        for number, start in enumerate(starts)
    ]


def write_shard(shard: Shard, folder: str, image_features: str = "") -> str:
    """Write a shard's examples as gzipped TFRecord, in the order of the prepared log; a second attempt replaces it.

    Args:
        shard: of the prepared log.
        folder: where the file `data_tfrecord-NUMBER-of-SHARDS.gz` goes. It is written beside that folder and then
            moved, so that nobody finds half of a file there.
        image_features: file of `item_id` and the features of its thumbnail, which become columns too; or empty.

    Returns:
        The file's path.
    """
    name = f"data_tfrecord-{shard.number:05d}-of-{shard.shards:05d}.gz"
    partial = f"{folder}.{name}.{uuid.uuid4().hex}.partial"
    encoder = RecordBatchToExamplesEncoder()
    tf.io.gfile.makedirs(folder)
    try:
        with tf.io.TFRecordWriter(partial, COMPRESSION) as writer:
            for batch in request_batches(shard, image_features):
                for serialised in encoder.encode(batch):
                    writer.write(serialised)
        tf.io.gfile.rename(partial, f"{folder}/{name}", overwrite=True)
    finally:
        if tf.io.gfile.exists(partial):
            tf.io.gfile.remove(partial)
    return f"{folder}/{name}"


def request_batches(shard: Shard, image_features: str = "") -> Iterator[pa.RecordBatch]:
    """A shard's row groups, one row a request: columns are lists of binary, int64 or float32, over its items.

    Columns of the request are lists of one value; tags are left out.

    Args:
        shard: of the prepared log.
        image_features: file of `item_id` and the features of its thumbnail, which become columns too; or empty.
    """
    file = pa.parquet.ParquetFile(shard.path)
    names = [name for name in file.schema_arrow.names if not name.startswith(TAG_PREFIX)]
    for number in range(shard.first, shard.end):
        table = file.read_row_group(number, columns=names).combine_chunks()
        columns = {name: _values(table[name].chunk(0)) for name in names}
        if image_features:
            joined = joined_image_features(image_features, table["item_id"].to_pylist())
            columns |= {name: pa.array(values, pa.float32()) for name, values in joined.items()}
        starts = _starts(columns["request_id"])
        each = pa.array(np.arange(len(starts) + 1, dtype=np.int32))
        over_items = pa.array(np.append(starts, len(table)).astype(np.int32))
        lists = []
        for name, values in columns.items():
            if name in REQUEST_COLUMNS or name.startswith(CONTEXT_PREFIX):
                lists.append(pa.ListArray.from_arrays(each, values.take(pa.array(starts))))
            else:
                lists.append(pa.ListArray.from_arrays(over_items, values))
        yield pa.record_batch(lists, list(columns))


def _starts(request_ids: pa.Array) -> NDArray[np.int64]:
    """First rows of the requests, whose rows stand together."""
    codes = request_ids.dictionary_encode().indices.to_numpy()
    return np.flatnonzero(np.diff(codes, prepend=-1))


def _values(column: pa.Array) -> pa.Array:
    """In one of the three types that examples know."""
    if pa.types.is_string(column.type):
        return column.cast(pa.binary())
    if pa.types.is_floating(column.type):
        return column.cast(pa.float32(), safe=False)
    return column.cast(pa.int64())
