"""Ranking metrics: pure functions on labels in rank order, their values a request, and their intervals."""

from ranking.metrics.calibration import (
    ReliabilityTable,
    brier_score,
    calibration_ratio,
    expected_calibration_error,
    log_loss,
    reliability_table,
)
from ranking.metrics.calibration_intervals import (
    Calibration,
    CalibrationBin,
    Predictions,
    calibration,
    rates_by_score,
)
from ranking.metrics.discounted_gain import (
    discounted_cumulative_gain,
    normalised_discounted_cumulative_gain,
)
from ranking.metrics.evaluation import NoRelevantPolicy, evaluate_lists, evaluate_order, metric_weights
from ranking.metrics.evaluation_stream import EvaluationIntervals, EvaluationStream
from ranking.metrics.exposure import exposure, rows_by_group, sums_by_request
from ranking.metrics.interval_streams import IntervalStreams
from ranking.metrics.intervals import (
    MetricInterval,
    bootstrap_interval,
    bootstrap_ratio_interval,
    paired_difference_interval,
)
from ranking.metrics.intra_list_distance import intra_list_distance
from ranking.metrics.list_weights import list_weights
from ranking.metrics.mean_bounds import Moments, group_moments, upper_mean_bounds
from ranking.metrics.precision import average_precision, hit_at, precision_at, recall_at
from ranking.metrics.rank_gain import rank_gain
from ranking.metrics.ranked import ranked_labels
from ranking.metrics.rates import clopper_pearson_interval, wilson_interval
from ranking.metrics.reciprocal_rank import expected_reciprocal_rank, reciprocal_rank
from ranking.metrics.slices import SlicedIntervals, sliced_mean_intervals
from ranking.metrics.subtopics import (
    alpha_discounted_cumulative_gain,
    alpha_normalised_discounted_cumulative_gain,
    subtopic_recall_at,
)

__all__ = [
    "Calibration",
    "CalibrationBin",
    "EvaluationIntervals",
    "EvaluationStream",
    "IntervalStreams",
    "MetricInterval",
    "Moments",
    "NoRelevantPolicy",
    "Predictions",
    "ReliabilityTable",
    "SlicedIntervals",
    "alpha_discounted_cumulative_gain",
    "alpha_normalised_discounted_cumulative_gain",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_ratio_interval",
    "brier_score",
    "calibration",
    "calibration_ratio",
    "clopper_pearson_interval",
    "discounted_cumulative_gain",
    "evaluate_lists",
    "evaluate_order",
    "expected_calibration_error",
    "expected_reciprocal_rank",
    "exposure",
    "group_moments",
    "hit_at",
    "intra_list_distance",
    "list_weights",
    "log_loss",
    "metric_weights",
    "normalised_discounted_cumulative_gain",
    "paired_difference_interval",
    "precision_at",
    "rank_gain",
    "ranked_labels",
    "rates_by_score",
    "recall_at",
    "reciprocal_rank",
    "reliability_table",
    "rows_by_group",
    "sliced_mean_intervals",
    "subtopic_recall_at",
    "sums_by_request",
    "upper_mean_bounds",
    "wilson_interval",
]
