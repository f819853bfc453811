"""Graphs over labels: edges, spanning forests, rooted forests, edge colourings."""

from structured.graphs.edges import checked_edges, complete_edges
from structured.graphs.matchings import edge_matchings
from structured.graphs.rooted_forest import RootedForest
from structured.graphs.spanning_forests import circuit_rank, maximum_spanning_forest

__all__ = [
    "RootedForest",
    "checked_edges",
    "circuit_rank",
    "complete_edges",
    "edge_matchings",
    "maximum_spanning_forest",
]
