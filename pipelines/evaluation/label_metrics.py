"""How well labels are set: Hamming loss, subset accuracy and F1 on the tags that are known, with intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.report.labeller_metrics import LabelMetric
from ranking.metrics import MetricInterval

UNKNOWN = -1
# Columns of the sums that every metric is made of; behind them, of each label: hits, false alarms, misses.
WRONG, KNOWN, ALL_RIGHT, JUDGED, FIRST_LABEL = range(5)


class LabelComparison(NamedTuple):
    """One metric of two predictions and their difference, the first minus the second."""

    first: MetricInterval
    second: MetricInterval
    difference: MetricInterval


def compare_labels(
    truth: NDArray[np.integer],
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> dict[LabelMetric, LabelComparison]:
    """Two predictions of the same items' tags, by every metric, with percentile bootstrap intervals over items.

    Every resample draws the same items for both predictions, so the difference is paired.

    Args:
        truth: int `[items, labels]`: 1, 0, or -1 where the tag is not known; those count nowhere.
        first, second: {0, 1} `[items, labels]`, the predictions.
        confidence: probability in (0, 1) that an interval is meant to cover the true value with.
        samples: resamples, >= 1.
        seed: fixes them.

    Returns:
        By metric: `hamming_loss` (share of known tags set wrong), `subset_accuracy` (share of items all of whose
        known tags are right), `micro_f1` (F1 over all tags together) and `macro_f1` (mean over labels of each
        one's F1, labels neither present nor predicted anywhere left out). `count` is items with a known tag; a
        metric is nan, with count 0, where it is not defined.

    Source: Tsoumakas, Katakis and Vlahavas, "Mining multi-label data" (2010), section 7; Efron and Tibshirani,
    "An introduction to the bootstrap", chapter 13.
    """
    sums = np.stack([item_sums(truth, first), item_sums(truth, second)], axis=1)
    rng = np.random.default_rng(seed)
    drawn = np.stack([_drawn_sums(sums, rng) for _ in range(samples)])
    values, resampled = metrics_of_sums(sums.sum(axis=0)), metrics_of_sums(drawn)
    count = int(sums[:, 0, JUDGED].sum())
    return {
        name: LabelComparison(
            _interval(value[0], resampled[name][:, 0], confidence, count),
            _interval(value[1], resampled[name][:, 1], confidence, count),
            _interval(value[0] - value[1], resampled[name][:, 0] - resampled[name][:, 1], confidence, count),
        )
        for name, value in values.items()
    }


def item_sums(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.float64]:
    """What each item adds to the sums behind the metrics, float64 `[items, 4 + 3 * labels]`."""
    known = truth != UNKNOWN
    wrong = known & (predicted != truth)
    judged = known.any(axis=1)
    right = judged & ~wrong.any(axis=1)
    totals = np.stack([wrong.sum(axis=1), known.sum(axis=1), right, judged], axis=1)
    hits, alarms, misses = known & ~wrong & (truth == 1), wrong & (truth == 0), wrong & (truth == 1)
    return np.concatenate([totals, hits, alarms, misses], axis=1).astype(np.float64)


def metrics_of_sums(sums: NDArray[np.float64]) -> dict[LabelMetric, NDArray[np.float64]]:
    """Every metric of sums `[..., 4 + 3 * labels]` over items, float64 `[...]`; nan where it is not defined."""
    hits, alarms, misses = np.split(sums[..., FIRST_LABEL:], 3, axis=-1)
    by_label = _ratio(2 * hits, 2 * hits + alarms + misses)
    defined = ~np.isnan(by_label)
    return {
        "hamming_loss": _ratio(sums[..., WRONG], sums[..., KNOWN]),
        "subset_accuracy": _ratio(sums[..., ALL_RIGHT], sums[..., JUDGED]),
        "micro_f1": _ratio(2 * hits.sum(-1), (2 * hits + alarms + misses).sum(-1)),
        "macro_f1": _ratio(np.where(defined, by_label, 0.0).sum(-1), defined.sum(-1).astype(np.float64)),
    }


def _drawn_sums(sums: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The sums over as many items as there are, drawn with replacement."""
    times = np.bincount(rng.integers(len(sums), size=len(sums)), minlength=len(sums))
    return np.tensordot(times.astype(np.float64), sums, axes=1)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _interval(value: float, resampled: NDArray[np.float64], confidence: float, count: int) -> MetricInterval:
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or len(defined) == 0:
        return MetricInterval(float("nan"), float("nan"), float("nan"), 0)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return MetricInterval(float(value), float(low), float(high), count)
