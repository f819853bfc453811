"""Read the pipeline's examples and its Transform graph back into arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray

from pipelines.click_log import FeatureColumns
from pipelines.components.preprocessing import MEAN_OUTPUT, SCALE_OUTPUT
from ranking.lists import RankingLists
from ranking.standardisation import Standardisation
from seriatim_errors import DataError

ITEM_COLUMNS = {
    "clicked": ("clicks", tf.int64, np.float32),
    "grade": ("grades", tf.float32, np.float32),
    "position": ("positions", tf.int64, np.int32),
    "propensity": ("propensities", tf.float32, np.float32),
    "weight": ("weights", tf.float32, np.float32),
}
BATCH = 1024


def read_lists(examples: Path, split: str, columns: FeatureColumns) -> RankingLists:
    """The requests of one split as lists with raw features, in the order of the files.

    Args:
        examples: folder of the Examples artifact.
        split: `train` or `eval`.
        columns: which features to read, in model order; context is repeated on every item.

    Raises:
        DataError: the split has no records.
    """
    parts = [_lists_of(batch, columns) for batch in _parsed_batches(examples, split, columns)]
    if not parts:
        raise DataError(f"split {split!r} under {examples} has no examples; run ingestion again")
    sizes = np.concatenate([part.pop("sizes") for part in parts])
    merged: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts]) if parts[0][name] is not None else None
        for name in parts[0]
    }
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return RankingLists(offsets=offsets, feature_names=columns.names, **merged)


def read_timestamps(examples: Path, split: str) -> NDArray[np.int64]:
    """Times of the requests of one split in microseconds since 1970, int64 `[lists]`, in the order of `read_lists`."""
    spec = {"timestamp": tf.io.FixedLenFeature([], tf.int64)}
    batches = read_serialised(examples, split).batch(BATCH).map(lambda batch: tf.io.parse_example(batch, spec))
    return np.concatenate([np.zeros(0, np.int64), *(batch["timestamp"].numpy() for batch in batches)])


def read_standardisation(transform: Path, log1p: bool) -> Standardisation:
    """The constants of the Transform graph in `transform` (the folder of a TransformGraph artifact), exact."""
    outputs = transform_outputs(transform, tf.constant([tf.train.Example().SerializeToString()]))
    return Standardisation(mean=outputs[MEAN_OUTPUT].numpy()[0], scale=outputs[SCALE_OUTPUT].numpy()[0], log1p=log1p)


def transform_outputs(transform: Path, serialised: tf.Tensor) -> dict[str, Any]:
    """What the Transform graph makes of serialised examples, bytes `[batch]`."""
    output = tft.TFTransformOutput(str(transform))
    parsed = tf.io.parse_example(serialised, output.raw_feature_spec())
    return output.transform_raw_features(parsed)


def read_serialised(examples: Path, split: str) -> tf.data.Dataset:
    """The serialised examples of one split, in the order of the files."""
    files = sorted(str(file) for file in (Path(examples) / f"Split-{split}").glob("*.gz"))
    return tf.data.TFRecordDataset(files, compression_type="GZIP")


def _parsed_batches(examples: Path, split: str, columns: FeatureColumns) -> tf.data.Dataset:
    spec: dict[str, Any] = {
        "request_id": tf.io.FixedLenFeature([], tf.string),
        "item_id": tf.io.RaggedFeature(tf.string),
    }
    for name, (_, kind, _) in ITEM_COLUMNS.items():
        spec[name] = tf.io.RaggedFeature(kind)
    for name in columns.context:
        spec[name] = tf.io.FixedLenFeature([], tf.float32)
    for name in columns.candidate:
        spec[name] = tf.io.RaggedFeature(tf.float32)
    return read_serialised(examples, split).batch(BATCH).map(lambda batch: tf.io.parse_example(batch, spec))


def _lists_of(batch: dict[str, Any], columns: FeatureColumns) -> dict[str, Any]:
    sizes = batch["item_id"].row_lengths().numpy()
    matrix = np.empty((int(sizes.sum()), len(columns.names)), np.float32)
    for index, name in enumerate(columns.context):
        matrix[:, index] = np.repeat(batch[name].numpy(), sizes)
    for index, name in enumerate(columns.candidate, start=len(columns.context)):
        matrix[:, index] = batch[name].flat_values.numpy()
    lists: dict[str, Any] = {
        "sizes": sizes,
        "request_ids": _text(batch["request_id"].numpy()),
        "item_ids": _text(batch["item_id"].flat_values.numpy()),
        "features": matrix,
    }
    for name, (field, _, kind) in ITEM_COLUMNS.items():
        values = batch[name].flat_values.numpy()
        lists[field] = values.astype(kind) if len(values) == len(matrix) else None
    return lists


def _text(values: np.ndarray) -> np.ndarray:
    return np.array([value.decode() for value in values], dtype=object)
