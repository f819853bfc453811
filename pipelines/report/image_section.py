"""What the page shows of the thumbnails: what their features add to the base order, and where they left the cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.comparison import Verdict, compare
from pipelines.report.image_metrics import CascadeStageUse, ImageMetrics
from pipelines.report.metrics_file import Interval, Metrics
from pipelines.report.plots.forest import Forest, forest

GAIN_WIDTH = 240
WITH, WITHOUT = "base", "base_without_images"


@dataclass(frozen=True)
class ImageGain:
    """The base ranker with image features minus the one without, in one metric on one kind of label."""

    labels: str
    metric: str
    difference: Interval
    verdict: Verdict


@dataclass(frozen=True)
class ImageSection:
    """Everything the section shows beside the metrics themselves.

    Attributes:
        gains: the deciding metric first.
        plot: their forest plot, row by row.
        stages: (stage, its share of the items).
        saved: how many times cheaper than the last stage alone a thumbnail is on average; None without items.
    """

    gains: Sequence[ImageGain]
    plot: Forest
    stages: Sequence[tuple[CascadeStageUse, float]]
    saved: float | None


def image_section(metrics: Metrics) -> ImageSection | None:
    """Lay out the part on images; None without one."""
    images = metrics.images
    if images is None:
        return None
    gains = [
        ImageGain(row.labels, name, interval, compare(interval))
        for row in metrics.differences
        if (row.policy, row.against) == (WITH, WITHOUT)
        for name, interval in sorted(row.metrics.items(), key=lambda pair: pair[0] != metrics.blessing.metric)
    ]
    return ImageSection(
        gains=gains,
        plot=forest([gain.difference for gain in gains], {"no difference": 0.0}, width=GAIN_WIDTH),
        stages=[(stage, stage.exits / images.items if images.items else 0.0) for stage in images.stages],
        saved=_saved(images),
    )


def _saved(images: ImageMetrics) -> float | None:
    return images.stages[-1].cost / images.expected_cost if images.items else None
