"""Structured outputs: labels that are predicted together over a learned tree."""

from structured.baselines import (
    ChowLiuTree,
    ClassifierChainEnsemble,
    FullGraph,
    GivenGraph,
    IndependentLabels,
    PrunedTree,
    RandomTreeEnsemble,
)
from structured.crank import CRANKClassifier
from structured.model import PairwiseModel, load_labeller

__all__ = [
    "CRANKClassifier",
    "ChowLiuTree",
    "ClassifierChainEnsemble",
    "FullGraph",
    "GivenGraph",
    "IndependentLabels",
    "PairwiseModel",
    "PrunedTree",
    "RandomTreeEnsemble",
    "load_labeller",
]
