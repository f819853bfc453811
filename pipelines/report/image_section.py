"""What the page shows of the thumbnails: what their features add to the base order, and where they left the cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.comparison import Verdict, compare
from pipelines.report.image_metrics import CascadeStageUse, ImageMetrics
from pipelines.report.metrics_file import Interval, Metrics
from pipelines.report.plots.forest import Forest, forest
from pipelines.report.plots.scatter import Scatter, ScatterPoint, scatter
from pipelines.report.wording import percent, whole
from ranking.metrics.rates import wilson_interval

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
        costs: accuracy on held-out thumbnails over multiply-adds of the backbones and of the cascade, which is marked;
            None for a cascade that was given.
    """

    gains: Sequence[ImageGain]
    plot: Forest
    stages: Sequence[tuple[CascadeStageUse, float]]
    saved: float | None
    costs: Scatter | None


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
        costs=_costs(images, metrics.blessing.confidence),
    )


def _saved(images: ImageMetrics) -> float | None:
    return images.stages[-1].cost / images.expected_cost if images.items else None


def _costs(images: ImageMetrics, confidence: float) -> Scatter | None:
    if images.training is None or not images.training.held_out_images:
        return None
    training, count = images.training, images.training.held_out_images
    judged = [(one.name, one.accuracy, float(one.cost), False) for one in training.backbones]
    if images.items:
        judged.append(("cascade", training.accuracy, images.expected_cost, True))
    points = []
    for name, accuracy, cost, marked in judged:
        interval = wilson_interval(round(accuracy * count), count, confidence)
        words = (
            f"{name}: {percent(accuracy)} [{percent(interval.low)}, {percent(interval.high)}] of {whole(count)} "
            f"thumbnails at {whole(round(cost))} multiply-adds"
        )
        points.append(ScatterPoint(cost, accuracy, interval.low, interval.high, name, words, marked))
    return scatter(points)
