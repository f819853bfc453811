"""Structured outputs: labels that are predicted together over a learned tree."""

from structured.baselines import ChowLiuTree, FullGraph, GivenGraph, IndependentLabels, PrunedTree
from structured.crank import CRANKClassifier
from structured.model import PairwiseModel, load_labeller

__all__ = [
    "CRANKClassifier",
    "ChowLiuTree",
    "FullGraph",
    "GivenGraph",
    "IndependentLabels",
    "PairwiseModel",
    "PrunedTree",
    "load_labeller",
]
