"""Thumbnails in the pipeline: a component that trains their cascade, and one that reads them with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component

from pipelines.components.artifacts import ImageCascade, ItemImageFeatures
from pipelines.components.trainers import made
from pipelines.image_features import ImageFeatureNames
from pipelines.images_config import ImagesConfig
from pipelines.picture_opening import PictureOpening
from pipelines.stages.thumbnail_scores import (
    SCORE_SCHEMA,
    Picture,
    ScoreCache,
    picture_reader,
    write_item_features,
)
from pipelines.thumbnails import content_hash, read_thumbnails, thumbnail_groups

SMALLEST_BATCH, LARGEST_BATCH = 16, 64


@component
def CascadeTrainer(  # noqa: N802  (components are named like classes)
    cascade: OutputArtifact[ImageCascade],
    catalogue: Parameter[str],
    names: Parameter[str],
    settings: Parameter[str],
    version: Parameter[str],
    seed: Parameter[int],
    code: Parameter[str],
) -> None:
    """Train backbones on thumbnails of known class and export the best cascade of them.

    `version` stands for all that it is made from. `code` is part of the cache key alone, here and below.
    """
    # Imports TensorFlow, which the component below does without.
    from pipelines.stages.image_cascade import train_cascade

    cascade.set_string_custom_property("version", version)
    class_names = ImageFeatureNames.from_json(names).class_names
    config = ImagesConfig.model_validate_json(settings)
    train_cascade(Path(catalogue), class_names, version, config, seed, made(cascade.uri))


@component(use_beam=True)
def ThumbnailScorer(  # noqa: N802
    features: OutputArtifact[ItemImageFeatures],
    catalogue: Parameter[str],
    column: Parameter[str],
    names: Parameter[str],
    fingerprint: Parameter[str],
    max_bad_share: Parameter[float],
    opening: Parameter[str],
    cache: Parameter[str],
    code: Parameter[str],
    folder: Parameter[str] = "",
    cascade: InputArtifact[ImageCascade] = None,
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Read every thumbnail once, except for those in the cache, with the cascade in `folder` or of the trainer."""
    source = Path(folder) if cascade is None else Path(cascade.uri) / cascade.get_string_custom_property("version")
    features.set_string_custom_property("cascade", str(source))
    known = ScoreCache(Path(cache), source, PictureOpening.model_validate_json(opening).version())
    scratch = made(features.uri)
    with beam_pipeline as pipeline:
        _ = (
            pipeline
            | "RowGroups" >> beam.Create(thumbnail_groups(Path(catalogue)))
            | "Spread" >> beam.Reshuffle()
            | "Pictures" >> beam.FlatMap(unread_pictures, catalogue, column, frozenset(known.scores))
            | "Batch" >> beam.BatchElements(SMALLEST_BATCH, LARGEST_BATCH)
            | "Score" >> beam.FlatMap(score_pictures, str(source), names, opening)
            | "Write" >> beam.io.WriteToParquet(f"{scratch}/scores", SCORE_SCHEMA, file_name_suffix=".parquet")
        )
    known.add(scratch.glob("scores*.parquet"))
    write_item_features(
        Path(catalogue), column, known.scores, ImageFeatureNames.from_json(names), max_bad_share, scratch
    )


def unread_pictures(group: int, catalogue: str, column: str, known: frozenset[str]) -> Iterator[Picture]:
    """The pictures of a row group that are not known, each content once."""
    seen = set(known)
    for part in read_thumbnails(Path(catalogue), column, None, group):
        for content in part.contents:
            if content is not None and (key := content_hash(content)) not in seen:
                seen.add(key)
                yield Picture(key, content)


def score_pictures(pictures: list[Picture], folder: str, names: str, opening: str) -> list[dict[str, Any]]:
    """Scores of a batch, as rows of a file; the cascade is loaded once a worker."""
    return [score.as_row() for score in picture_reader(folder, names, opening).read(pictures)]
