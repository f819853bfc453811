"""Rank order: the one step that every ranking metric takes before it counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seriatim_errors import DataError


def ranked_labels(labels: ArrayLike, scores: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float64]:
    """Labels (or weights) sorted by descending score, the form that the metrics of this package read.

    >>> ranked_labels([0.0, 2.0, 1.0], [0.3, 0.9, 0.1])
    array([2., 0., 1.])

    Args:
        labels: float `[..., list_size]`, >= 0.
        scores: float `[..., list_size]`, not NaN where the mask is true; equal scores keep their present order.
        mask: bool `[..., list_size]`, true where an item stands; None: everywhere.

    Returns:
        float64 `[..., list_size]`; where the mask is false the label counts as 0 and stands last.

    Raises:
        DataError: a score that counts is NaN, which has no rank.
    """
    values = np.asarray(labels, np.float64)
    keys = -np.asarray(scores, np.float64)
    if mask is not None:
        values, keys = np.where(mask, values, 0.0), np.where(mask, keys, 0.0)
    if np.isnan(keys).any():
        raise DataError("scores: nan has no rank; give scores that can be ordered, or mask the item")
    if mask is None:
        return np.take_along_axis(values, np.argsort(keys, axis=-1, kind="stable"), axis=-1)
    # The mask is a key of its own, so that an item with the score -inf still stands before padding.
    absent = np.broadcast_to(~np.asarray(mask, bool), keys.shape)
    return np.take_along_axis(values, np.lexsort((keys, absent), axis=-1), axis=-1)


class Counted(NamedTuple):
    """The items that hold a rank, closed up towards the top; what is left out stands last with label 0.

    Attributes:
        labels: float64 `[..., list_size]`, finite, >= 0.
        weights: float64 `[..., list_size]` in [0, 1], the largest of a list 1; 0 for what is left out.
        order: int64 `[..., list_size]`, the rank place that each of them was given at.
    """

    labels: NDArray[np.float64]
    weights: NDArray[np.float64]
    order: NDArray[np.int64]


def counted(labels: ArrayLike | Counted, weights: ArrayLike | None = None, mask: ArrayLike | None = None) -> Counted:
    """What a metric counts, checked: masked items and items of weight 0 hold no rank, as in TF-Ranking.

    Weights are divided by the largest of their list, for no metric of a list depends on their scale. Every metric of
    this package calls this on its labels; to take several metrics of the same lists, call it once and give them
    the result as their labels.

    Args:
        labels: float `[..., list_size]` in rank order, >= 0 where counted; or a result of this function, which is
            returned as it is, whatever the weights and the mask.
        weights: float `[..., list_size]`, or a shape that broadcasts to it, >= 0; None: all equal.
        mask: bool `[..., list_size]`, or a shape that broadcasts to it; None: everything counts.

    Raises:
        DataError: a label or weight that counts is not finite or negative.
    """
    if isinstance(labels, Counted):
        return labels
    values = np.asarray(labels, np.float64)
    present = np.broadcast_to(True if mask is None else np.asarray(mask, bool), values.shape)
    importance = np.where(present, 1.0 if weights is None else np.asarray(weights, np.float64), 0.0)
    _check("weights", importance)
    present = importance > 0
    values = np.where(present, values, 0.0)
    _check("labels", values)
    order = np.broadcast_to(np.arange(values.shape[-1]), values.shape)
    if not (present[..., 1:] <= present[..., :-1]).all():
        order = np.argsort(~present, axis=-1, kind="stable")
        values, importance = np.take_along_axis(values, order, -1), np.take_along_axis(importance, order, -1)
    largest = importance.max(axis=-1, keepdims=True, initial=0.0)
    return Counted(values, importance / np.where(largest > 0, largest, 1.0), order)


def defined_where_relevant(value: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """`value` `[...]`, nan where a list of `labels` `[..., list_size]` holds no positive label."""
    return np.where((labels > 0).any(axis=-1), value, np.nan)


def head(labels: NDArray[np.float64], cutoff: int | None) -> NDArray[np.float64]:
    """The first `cutoff` ranks of `labels`, float64 `[..., min(cutoff, list_size)]`; None: all ranks.

    Raises:
        ValueError: `cutoff` is below 1.
    """
    return labels if cutoff is None else labels[..., : checked_cutoff(cutoff)]


def checked_cutoff(cutoff: int) -> int:
    """`cutoff` itself when it is a rank.

    Raises:
        ValueError: it is below 1.
    """
    if cutoff < 1:
        raise ValueError(f"cutoff: {cutoff}; give a rank of at least 1, or None for the whole list")
    return cutoff


def _check(name: str, values: NDArray[np.float64]) -> None:
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        raise DataError(f"{name}: {values[place]} at {place}; give finite {name} of at least 0, and a mask for padding")
