"""Classifiers with a constrained rate, by thresholds that are quantiles of the scores (arXiv 1803.00067).

Importing this package imports TensorFlow. The method is the subject of US patent 11,429,894.
"""

from ranking.rate_constraints.export import export_gate_onnx, export_gate_saved_model
from ranking.rate_constraints.gate import GatePromise, GateSettings, TrainedGate, train_gate
from ranking.rate_constraints.objectives import precision_at_recall
from ranking.rate_constraints.quantiles import (
    exact_threshold,
    interval_weights,
    kernel_weights,
    point_weights,
    quantile,
    realised_rate,
)

__all__ = [
    "GatePromise",
    "GateSettings",
    "TrainedGate",
    "exact_threshold",
    "export_gate_onnx",
    "export_gate_saved_model",
    "interval_weights",
    "kernel_weights",
    "point_weights",
    "precision_at_recall",
    "quantile",
    "realised_rate",
    "train_gate",
]
