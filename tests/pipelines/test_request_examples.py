"""Examples as TFX reads them, beside ones made request by request."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from pipelines.checked_logs.prepared_split import PreparedSplit
from pipelines.components import request_examples
from pipelines.components.request_examples import request_batches, shards_of, write_shard
from tests.pipelines.logs import small_log


@pytest.fixture
def path(tmp_path):
    """A prepared split of 2,000 requests with a tag and a propensity."""
    log = small_log(requests=2000, tag_new=[True] * 6000, propensity=[0.1 + row % 7 / 10 for row in range(6000)])
    types = {"timestamp": pa.timestamp("us"), "position": pa.int32(), "clicked": pa.int8(), "affinity": pa.float32()}
    for name, kind in types.items():
        log = log.set_column(log.column_names.index(name), name, log[name].cast(kind))
    split = PreparedSplit(tmp_path / "train.parquet")
    split.add(log)
    split.finish()
    assert (split.requests, split.rows, split.clicks) == (2000, 6000, 2000)
    return str(tmp_path / "train.parquet")


def by_hand(path):
    """One `tf.train.Example` a request, value by value."""
    examples = []
    for rows in pq.read_table(path).to_pandas().groupby("request_id", sort=False):
        frame = rows[1]
        made = tf.train.Example()
        features = made.features.feature
        features["request_id"].bytes_list.value.append(frame["request_id"].iloc[0].encode())
        features["timestamp"].int64_list.value.append(frame["timestamp"].iloc[0].value // 1000)
        features["context_hour"].float_list.value.append(frame["context_hour"].iloc[0])
        features["item_id"].bytes_list.value.extend(item.encode() for item in frame["item_id"])
        for name in ("position", "clicked"):
            features[name].int64_list.value.extend(frame[name])
        for name in ("item_price", "affinity", "propensity"):
            features[name].float_list.value.extend(frame[name])
        examples.append(made)
    return examples


def read(files):
    return [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files, "GZIP")]


def test_shards_hold_every_request_once_in_order_exactly_as_made_by_hand(path, tmp_path, monkeypatch):
    monkeypatch.setattr(request_examples, "ROW_GROUPS_PER_SHARD", 3)
    shards = shards_of(path)
    assert [(shard.first, shard.end) for shard in shards] == [(0, 3), (3, 4)]
    folder = str(tmp_path / "examples" / "Split-train")
    files = [write_shard(shard, folder) for shard in shards]
    assert read(files) == by_hand(path)
    assert sorted(files) == [f"{folder}/data_tfrecord-0000{number}-of-00002.gz" for number in (0, 1)]


def test_a_second_attempt_replaces_the_file_and_a_failed_one_leaves_none(path, tmp_path, monkeypatch):
    folder = str(tmp_path / "examples" / "Split-train")
    [shard] = shards_of(path)
    write_shard(shard, folder)
    file = write_shard(shard, folder)
    assert len(read([file])) == 2000

    def broken(*_):
        yield next(request_batches(shard))
        raise OSError("gone")

    monkeypatch.setattr(request_examples, "request_batches", broken)
    with pytest.raises(OSError, match="gone"):
        write_shard(shard._replace(number=1, shards=2), folder)
    assert [found.name for found in (tmp_path / "examples").rglob("*") if found.is_file()] == [
        "data_tfrecord-00000-of-00001.gz"
    ]


def test_features_of_pictures_are_lists_over_the_items(path, tmp_path):
    pictures = tmp_path / "features.parquet"
    pq.write_table(pa.table({"item_id": ["i2", "i0"], "item_image_one": np.float32([2, 1])}), pictures)
    [shard] = shards_of(path)
    batch = next(request_batches(shard, str(pictures)))
    assert batch.num_rows == 512
    assert batch.column(batch.schema.names.index("item_image_one")).to_pylist() == [[1.0, 0.0, 2.0]] * 512
    assert "tag_new" not in batch.schema.names
