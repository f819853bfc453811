"""ExampleGen for click logs: one `tf.train.Example` a request, made of record batches by Beam.

No postponed annotations here or in the other component modules: TFX reads them as objects.
"""

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples

from pipelines.components.artifacts import ItemImageFeatures
from pipelines.components.request_examples import shards_of, write_shard
from pipelines.image_features import FEATURES_FILE
from pipelines.ingest import EVALUATION, TRAIN


@component(use_beam=True)
def ClickLogExampleGen(  # noqa: N802  (components are named like classes)
    examples: OutputArtifact[Examples],
    log_folder: Parameter[str],
    fingerprint: Parameter[str],
    image_features: InputArtifact[ItemImageFeatures] = None,
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Write the prepared log in `log_folder` as examples with the splits `train` and `eval`.

    `fingerprint` is part of the cache key: an unchanged log is not read again, a changed one always is. Features of
    items from their thumbnails, where there are any, become columns of their own.
    """
    images = "" if image_features is None else f"{image_features.uri}/{FEATURES_FILE}"
    examples.split_names = artifact_utils.encode_split_names([TRAIN, EVALUATION])
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("fingerprint", fingerprint)
    with beam_pipeline as pipeline:
        write_examples(pipeline, log_folder, examples.uri, images)


def write_examples(pipeline: beam.Pipeline, log_folder: str, folder: str, image_features: str) -> None:
    """Let `pipeline` write both splits of the prepared log in `log_folder` under `folder`, a file a shard.

    What travels through Beam are the bounds of shards; a worker reads its rows as record batches.
    """
    for split in (TRAIN, EVALUATION):
        _ = (
            pipeline
            | f"Shards[{split}]" >> beam.Create(shards_of(f"{log_folder}/{split}.parquet"))
            | f"Spread[{split}]" >> beam.Reshuffle()
            | f"Examples[{split}]" >> beam.Map(write_shard, f"{folder}/Split-{split}", image_features)
        )
