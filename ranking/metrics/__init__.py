"""Ranking metrics: pure functions on labels in rank order, their values a request, and their intervals."""

from ranking.metrics.discounted_gain import (
    discounted_cumulative_gain,
    normalised_discounted_cumulative_gain,
)
from ranking.metrics.evaluation import NoRelevantPolicy, evaluate_lists, evaluate_order
from ranking.metrics.intervals import (
    MetricInterval,
    bootstrap_interval,
    bootstrap_ratio_interval,
    paired_difference_interval,
)
from ranking.metrics.precision import average_precision, hit_at, precision_at, recall_at
from ranking.metrics.rank_gain import rank_gain
from ranking.metrics.ranked import ranked_labels
from ranking.metrics.rates import clopper_pearson_interval, wilson_interval
from ranking.metrics.reciprocal_rank import expected_reciprocal_rank, reciprocal_rank

__all__ = [
    "MetricInterval",
    "NoRelevantPolicy",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_ratio_interval",
    "clopper_pearson_interval",
    "discounted_cumulative_gain",
    "evaluate_lists",
    "evaluate_order",
    "expected_reciprocal_rank",
    "hit_at",
    "normalised_discounted_cumulative_gain",
    "paired_difference_interval",
    "precision_at",
    "rank_gain",
    "ranked_labels",
    "recall_at",
    "reciprocal_rank",
    "wilson_interval",
]
