"""The served slates against the reference in every slice of the requests, the most certain harm first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.config import EvaluationConfig
from pipelines.evaluation.in_file import interval_of
from pipelines.evaluation.slice_columns import SlicedRequests
from pipelines.report.metrics_parts import Interval
from pipelines.report.slice_metrics import SliceMetrics, SliceRow
from ranking.metrics import SlicedIntervals, group_moments, sliced_mean_intervals, upper_mean_bounds

# Beside the deciding metric.
OTHER_METRICS = ("map", "mrr")


@dataclass(frozen=True)
class Comparison:
    """What is compared in every slice.

    Attributes:
        labels: kind of the labels that the metrics are on.
        against: name of the reference.
        candidate, reference: metrics by name, float64 `[requests]`, nan where undefined.
    """

    labels: str
    against: str
    candidate: Mapping[str, NDArray[np.float64]]
    reference: Mapping[str, NDArray[np.float64]]


def slice_metrics(
    given: Comparison, columns: Sequence[SlicedRequests], config: EvaluationConfig, seed: int
) -> SliceMetrics:
    """Compare in every slice.

    A slice's bound holds with the confidence left after Bonferroni's correction: the chance that any of the bounds of
    the slices that decide is too low is at most `1 - config.confidence`, however the slices overlap.

    Args:
        given: the two policies' metrics, the blessing metric among them.
        columns: the slices, at least one column.
        config: names metric, margin, confidence and the least number of requests.
        seed: of the bootstrap.
    """
    names = list(dict.fromkeys((config.blessing_metric, *OTHER_METRICS)))
    served = np.stack([given.candidate[name] for name in names], axis=1)
    differences = served - np.stack([given.reference[name] for name in names], axis=1)
    values = np.concatenate([served, differences], axis=1)
    starts = np.cumsum([0, *(len(column.names) for column in columns)])
    membership = np.stack([start + column.index for start, column in zip(starts, columns, strict=False)], axis=1)
    count = int(starts[-1])
    means = sliced_mean_intervals(values, membership, count, config.confidence, config.bootstrap_samples, seed)
    decides = means.count >= config.min_slice_requests
    tail = (1.0 - config.confidence) / max(1, int(decides.sum()))
    defined = ~np.isnan(values).any(axis=1)
    deciding = differences[defined, 0]
    moments = group_moments(deciding, membership[defined], count)
    bounds = upper_mean_bounds(moments, float(deciding.max(initial=0.0)), tail)
    requests = np.bincount(membership.ravel(), minlength=count)
    titles = [(column.column, name) for column in columns for name in column.names]
    rows = [
        SliceRow(
            column=titles[index][0],
            value=titles[index][1],
            requests=int(requests[index]),
            served=_intervals(means, index, names, 0),
            differences=_intervals(means, index, names, len(names)),
            at_most=float(bounds[index]),
            decides=bool(decides[index]),
        )
        # What has no bound, for it has no request that counts, comes last.
        for index in np.argsort(bounds, kind="stable")
    ]
    return SliceMetrics(
        labels=given.labels,
        metric=config.blessing_metric,
        against=given.against,
        confidence=config.confidence,
        tail=tail,
        min_requests=config.min_slice_requests,
        margin=config.slice_margin,
        rows=tuple(rows),
    )


def _intervals(means: SlicedIntervals, index: int, names: Sequence[str], first: int) -> dict[str, Interval]:
    found = {name: means.interval(index, first + place) for place, name in enumerate(names)}
    return {name: interval_of(interval) for name, interval in found.items()}
