"""The log-linear model `p(y) = exp(score(y)) / Z` over a forest, by sum-product: exact, linear in labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.graphs import RootedForest
from structured.inference.max_product import oriented_tables
from structured.inference.messages import log_sum_exp, pass_messages
from structured.inference.potentials import Potentials


@dataclass(frozen=True)
class ForestDistribution:
    """Exact sums over all labelings.

    Attributes:
        log_partition: float64 `[B]`, `log Z`.
        unary: float64 `[B, n, K]`, each label's marginals.
        pair: float64 `[B, E, K, K]`, each edge's marginals; first axis of a table: the edge's first label.
    """

    log_partition: NDArray[np.float64]
    unary: NDArray[np.float64]
    pair: NDArray[np.float64]


def sum_product(potentials: Potentials, forest: RootedForest | None = None) -> ForestDistribution:
    """Partition function and marginals.

    Args:
        potentials: of `B` inputs.
        forest: of `potentials.edges`; None makes it.

    Raises:
        StructureError: the edges close a circle.
    """
    batch, count, states = potentials.unary.shape
    rooted = RootedForest.from_edges(potentials.edges, count) if forest is None else forest
    messages = pass_messages(potentials, rooted, log_sum_exp)
    roots = rooted.levels[0]
    component = log_sum_exp(messages.full, 1)
    unary = np.exp(messages.full - component[:, None])
    pair = np.zeros((len(potentials.edges), states, states, batch))
    for level in rooted.levels[1:]:
        tables = oriented_tables(potentials, rooted, level)
        joint = messages.below[level][:, :, None] + tables + messages.without[level][:, None]
        joint = np.exp(joint - component[level][:, None, None])
        child_first = potentials.edges[rooted.edge[level], 0] == level
        pair[rooted.edge[level]] = np.where(child_first[:, None, None, None], joint, joint.transpose(0, 2, 1, 3))
    return ForestDistribution(component[roots].sum(axis=0), unary.transpose(2, 0, 1), pair.transpose(3, 0, 1, 2))


def log_partition(potentials: Potentials, forest: RootedForest | None = None) -> NDArray[np.float64]:
    """`log Z` alone, float64 `[B]`.

    Raises:
        StructureError: the edges close a circle.
    """
    count = potentials.unary.shape[1]
    rooted = RootedForest.from_edges(potentials.edges, count) if forest is None else forest
    below = pass_messages(potentials, rooted, log_sum_exp).below
    return np.asarray(log_sum_exp(below[rooted.levels[0]], 1).sum(axis=0))
