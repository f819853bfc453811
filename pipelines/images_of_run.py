"""The thumbnails that a run reads, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.click_log import FeatureColumns
from pipelines.config import PipelineConfig
from pipelines.image_features import IMAGE_PREFIX, ImageFeatureNames
from pipelines.ingest import PreparedLog
from pipelines.thumbnails import content_hash, summarise_thumbnails
from seriatim_errors import DataError
from serving.images.manifest import CASCADE_FILE


@dataclass(frozen=True)
class RunImages:
    """What a run knows of its thumbnails before it reads them with a cascade.

    Attributes:
        names: of the features that they become.
        fingerprint: of thumbnails, how they are opened, known classes and, where it is given, the cascade; 16 hex
            digits.
    """

    names: ImageFeatureNames
    fingerprint: str


def images_of_run(config: PipelineConfig, log: PreparedLog, say: Callable[[str], None]) -> RunImages | None:
    """Look at the catalogue's thumbnails and tell what there is; None where the configuration has no images.

    Raises:
        DataError: the catalogue's thumbnails or classes break their contract, or the log has columns of the names
            that image features have; or a folder of codec or sky network is none.
        BundleError: the configured cascade is not sound.
    """
    images = config.images
    if images is None or config.data.items is None:
        return None
    taken = [name for name in log.columns.names if name.startswith(IMAGE_PREFIX)]
    if taken:
        raise DataError(
            f"the click log has the columns {', '.join(taken)}, and images makes features of such names; rename them, "
            "name them in data.ignore_columns, or set images to null"
        )
    trained = images.cascade is None
    summary = summarise_thumbnails(config.data.items.local, images.column, images.class_column if trained else None)
    say(
        f"thumbnails {summary.fingerprint}: of {summary.pictures} of {summary.items} items"
        + (f", {summary.labelled} of them of {len(summary.class_names)} known classes" if trained else "")
    )
    sky, opened = images.sky is not None, images.opening.version()
    if images.cascade is None:
        stages = len(images.backbones) + len(images.searched)
        names = ImageFeatureNames(summary.class_names, images.embedding_width, stages, sky)
        return RunImages(names, content_hash(f"{summary.fingerprint} {opened}".encode())[:16])
    names = ImageFeatureNames.of_cascade(images.cascade, sky)
    cascade = (images.cascade / CASCADE_FILE).read_bytes()
    return RunImages(names, content_hash(cascade + f"{summary.fingerprint} {opened}".encode())[:16])


def with_image_features(columns: FeatureColumns, images: RunImages | None) -> FeatureColumns:
    """The log's features, and behind them those of the items' thumbnails."""
    if images is None:
        return columns
    return FeatureColumns(columns.context, (*columns.candidate, *images.names.columns))
