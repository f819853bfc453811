"""Two passes of messages over a forest, up to the roots and down again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.graphs import RootedForest
from structured.inference.max_product import oriented_tables
from structured.inference.potentials import Potentials

# Takes away one axis of scores: the maximum, or the logarithm of the sum of exponentials.
Reduce = Callable[[NDArray[np.float64], int], NDArray[np.float64]]


@dataclass(frozen=True)
class Messages:
    """What each label knows; the batch lies last.

    Attributes:
        below: float64 `[n, K, B]`, own score and all messages from the children.
        full: float64 `[n, K, B]`, the same with the message from the parent: all of the label's component.
        without: float64 `[n, K, B]`, for labels with a parent, the parent's `full` less the label's own message, by
            the parent's state.
    """

    below: NDArray[np.float64]
    full: NDArray[np.float64]
    without: NDArray[np.float64]


def pass_messages(potentials: Potentials, forest: RootedForest, reduce: Reduce) -> Messages:
    """Send messages up and down.

    Args:
        potentials: of `B` inputs over the forest's edges.
        forest: of `potentials.edges`.
        reduce: what a message does with the states of the label it leaves.
    """
    below = potentials.unary.transpose(1, 2, 0).copy()
    upward = np.zeros_like(below)
    for level in forest.levels[:0:-1]:
        tables = oriented_tables(potentials, forest, level)
        upward[level] = reduce(below[level][:, :, None] + tables, 1)
        np.add.at(below, forest.parent[level], upward[level])
    full, without = below.copy(), np.zeros_like(below)
    for level in forest.levels[1:]:
        tables = oriented_tables(potentials, forest, level)
        without[level] = full[forest.parent[level]] - upward[level]
        full[level] += reduce(without[level][:, None] + tables, 2)
    return Messages(below, full, without)


def log_sum_exp(scores: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """`log sum exp`, without overflow; -inf for nothing but -inf."""
    greatest = scores.max(axis=axis, keepdims=True)
    shift = np.where(np.isfinite(greatest), greatest, 0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(scores - shift).sum(axis=axis)) + np.squeeze(shift, axis))


def maximum(scores: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The maximum."""
    return np.asarray(scores.max(axis=axis))
