"""Inference in pairwise label models: exact on forests, bounds on any graph."""

from structured.inference.enumeration import all_scores, best_by_enumeration, enumerate_states
from structured.inference.max_product import max_product
from structured.inference.potentials import Potentials

__all__ = ["Potentials", "all_scores", "best_by_enumeration", "enumerate_states", "max_product"]
