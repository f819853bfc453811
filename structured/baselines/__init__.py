"""Methods to compare CRANK with, behind the same interface."""

from structured.baselines.fixed_graphs import ChowLiuTree, FullGraph, GivenGraph, IndependentLabels, PrunedTree

__all__ = ["ChowLiuTree", "FullGraph", "GivenGraph", "IndependentLabels", "PrunedTree"]
