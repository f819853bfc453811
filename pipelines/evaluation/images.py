"""What the report says of thumbnails: counts of those that were read, and how their cascade was chosen."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.report.image_metrics import CascadeStageUse, CascadeTraining, ImageMetrics
from pipelines.stages.thumbnail_scores import SUMMARY_FILE
from serving.images.reader import open_cascade


def image_metrics(features: Path, cascade: Path) -> ImageMetrics:
    """The part of the metrics file on images.

    Args:
        features: folder of the items' image features.
        cascade: folder of the cascade that read them; its training left a summary beside it, or there was none.

    Raises:
        BundleError: the cascade is not sound.
    """
    counts = json.loads((features / SUMMARY_FILE).read_text(encoding="utf-8"))
    manifest = open_cascade(cascade).manifest
    exits = counts.pop("exits")
    training = cascade.parent / SUMMARY_FILE
    return ImageMetrics(
        cascade=manifest.version,
        class_names=manifest.class_names,
        stages=tuple(
            CascadeStageUse(cost=stage.cost, exits=left)
            for stage, left in zip(manifest.stages, exits[: len(manifest.stages)], strict=True)
        ),
        training=(
            CascadeTraining.model_validate_json(training.read_text(encoding="utf-8")) if training.exists() else None
        ),
        **counts,
    )
