"""Classifiers with a constrained rate, by thresholds that are quantiles of the scores (arXiv 1803.00067).

Importing this package imports TensorFlow. The quantile method is the subject of US patent 11,429,894; the
implicit method stands behind the same interface as the alternative.
"""

from ranking.rate_constraints.calibration import Calibration, GatePromise, calibrate_out_of_fold
from ranking.rate_constraints.classifier import RateConstrainedClassifier
from ranking.rate_constraints.coverage import Coverage
from ranking.rate_constraints.export import export_gate_onnx, export_gate_saved_model
from ranking.rate_constraints.fitting import Fit, ScorerFitter, fit_scorer
from ranking.rate_constraints.gate import GateSettings, TrainedGate, train_gate
from ranking.rate_constraints.keras_model import RateConstrainedLoss, RateConstrainedModel
from ranking.rate_constraints.listwise import precision_at_k_in_lists
from ranking.rate_constraints.objectives import (
    Objective,
    RateLoss,
    RateObjective,
    exact_thresholds,
    precision_at_recall,
    rate_loss,
)
from ranking.rate_constraints.outer_search import SearchResult, search_f_beta, search_recall_at_precision
from ranking.rate_constraints.quantiles import (
    exact_threshold,
    interval_weights,
    kernel_weights,
    point_weights,
    quantile,
    realised_rate,
)
from ranking.rate_constraints.score_queue import ScoreQueue
from ranking.rate_constraints.settings import FitSettings
from ranking.rate_constraints.subset_quantiles import QuantileEstimator, subset_quantile

__all__ = [
    "Calibration",
    "Coverage",
    "Fit",
    "FitSettings",
    "GatePromise",
    "GateSettings",
    "Objective",
    "QuantileEstimator",
    "RateConstrainedClassifier",
    "RateConstrainedLoss",
    "RateConstrainedModel",
    "RateLoss",
    "RateObjective",
    "ScoreQueue",
    "ScorerFitter",
    "SearchResult",
    "TrainedGate",
    "calibrate_out_of_fold",
    "exact_threshold",
    "exact_thresholds",
    "export_gate_onnx",
    "export_gate_saved_model",
    "fit_scorer",
    "interval_weights",
    "kernel_weights",
    "point_weights",
    "precision_at_k_in_lists",
    "precision_at_recall",
    "quantile",
    "rate_loss",
    "realised_rate",
    "search_f_beta",
    "search_recall_at_precision",
    "subset_quantile",
    "train_gate",
]
