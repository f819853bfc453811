"""Inference in pairwise label models: exact on forests, relaxations and bounds on any graph."""

from structured.inference.decode import best_labels
from structured.inference.dual_bound import DualBound, dual_bound
from structured.inference.enumeration import all_scores, best_by_enumeration, enumerate_states
from structured.inference.k_best import k_best
from structured.inference.linear_program import integral, solve_relaxation
from structured.inference.local_polytope import RelaxedLabeling
from structured.inference.max_marginals import max_marginals
from structured.inference.max_product import max_product
from structured.inference.potentials import Potentials
from structured.inference.roof_duality import roof_duality
from structured.inference.sum_product import ForestDistribution, log_partition, sum_product

__all__ = [
    "DualBound",
    "ForestDistribution",
    "Potentials",
    "RelaxedLabeling",
    "all_scores",
    "best_by_enumeration",
    "best_labels",
    "dual_bound",
    "enumerate_states",
    "integral",
    "k_best",
    "log_partition",
    "max_marginals",
    "max_product",
    "roof_duality",
    "solve_relaxation",
    "sum_product",
]
