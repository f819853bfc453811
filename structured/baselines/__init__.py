"""Methods to compare CRANK with, behind the same interface."""

from structured.baselines.classifier_chains import ClassifierChainEnsemble
from structured.baselines.fixed_graphs import ChowLiuTree, FullGraph, GivenGraph, IndependentLabels, PrunedTree
from structured.baselines.random_trees import RandomTreeEnsemble

__all__ = [
    "ChowLiuTree",
    "ClassifierChainEnsemble",
    "FullGraph",
    "GivenGraph",
    "IndependentLabels",
    "PrunedTree",
    "RandomTreeEnsemble",
]
