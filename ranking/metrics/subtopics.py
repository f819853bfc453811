"""Diversity by kind: metrics on what each item is relevant to, so that a second item of a kind earns less."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import checked_cutoff, counted
from seriatim_errors import DataError


def alpha_normalised_discounted_cumulative_gain(
    subtopics: ArrayLike, cutoff: int | None = None, alpha: float = 0.5, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """alpha-NDCG@k: alpha-DCG over that of the order which takes the item of the highest gain at every rank.

    The best order is hard to find in general; the greedy one is the usual stand-in, near the best and sometimes
    below it, so that a value a little above 1 is possible.

    >>> alpha_normalised_discounted_cumulative_gain([[1, 0], [0, 1], [1, 0]])
    array(1.)

    Args:
        subtopics: float `[..., list_size, subtopics]` in {0, 1} in rank order, 1 where an item is relevant to a
            subtopic (a category, an intent); 0 at padding.
        cutoff: the rank k down to which gain counts; None: the whole list.
        alpha: in [0, 1], how much of a subtopic's gain each item on it takes away; 0 counts all alike.
        mask: bool `[..., list_size]`, false for items that hold no rank. None: all do.

    Returns:
        float64 `[...]`, >= 0; nan where no item is relevant to anything.

    Raises:
        DataError: a value is neither 0 nor 1.
        ValueError: `alpha` or `cutoff` is out of range.

    Source: Clarke et al., "Novelty and diversity in information retrieval evaluation", SIGIR 2008.
    """
    given = _in_rank_order(subtopics, mask)
    flat = given.reshape(math.prod(given.shape[:-2]), *given.shape[-2:])
    best = alpha_discounted_cumulative_gain(_greedy_order(flat, alpha), cutoff, alpha).reshape(given.shape[:-2])
    achieved = alpha_discounted_cumulative_gain(given, cutoff, alpha)
    return np.where(best > 0, achieved / np.where(best > 0, best, 1.0), np.nan)


def alpha_discounted_cumulative_gain(
    subtopics: ArrayLike, cutoff: int | None = None, alpha: float = 0.5, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """alpha-DCG@k: each item earns `(1 - alpha)**(earlier items on it)` a subtopic, over `log2(rank + 1)`.

    Args, raises: as in `alpha_normalised_discounted_cumulative_gain`.

    Returns:
        float64 `[...]`, >= 0.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha: {alpha}; give a share in [0, 1]")
    given = _in_rank_order(subtopics, mask)
    earlier = given.cumsum(axis=-2) - given
    gains = (given * (1.0 - alpha) ** earlier).sum(axis=-1)
    top = gains if cutoff is None else gains[..., : checked_cutoff(cutoff)]
    return (top / np.log2(np.arange(2, top.shape[-1] + 2))).sum(axis=-1)


def subtopic_recall_at(subtopics: ArrayLike, cutoff: int, mask: ArrayLike | None = None) -> NDArray[np.float64]:
    """Coverage: the share of the list's subtopics (categories) that the first `cutoff` items cover.

    >>> subtopic_recall_at([[1, 0], [1, 0], [0, 1]], cutoff=2)
    array(0.5)

    Args, raises: as in `alpha_normalised_discounted_cumulative_gain`.

    Returns:
        float64 `[...]` in [0, 1]; nan where no item is relevant to anything.

    Source: Zhai, Cohen and Lafferty, "Beyond independent relevance", SIGIR 2003 (S-recall).
    """
    given = _in_rank_order(subtopics, mask)
    there = (given > 0).any(axis=-2).sum(axis=-1)
    covered = (given[..., : checked_cutoff(cutoff), :] > 0).any(axis=-2).sum(axis=-1)
    return np.where(there > 0, covered / np.maximum(there, 1), np.nan)


def _in_rank_order(subtopics: ArrayLike, mask: ArrayLike | None) -> NDArray[np.float64]:
    """The subtopics, checked; masked items last, without any."""
    values = np.asarray(subtopics, np.float64)
    present = np.broadcast_to(True if mask is None else np.asarray(mask, bool), values.shape[:-1])
    values = np.where(present[..., None], values, 0.0)
    wrong = ~((values == 0) | (values == 1))
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise DataError(f"subtopics: {values[place]} at {place}; give 1 where an item is on a subtopic, else 0")
    order = counted(np.zeros(values.shape[:-1]), mask=present).order
    return np.take_along_axis(values, order[..., None], axis=-2)


def _greedy_order(subtopics: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Each list's items by descending gain given those before, `[lists, list_size, subtopics]`."""
    lists, size, _ = subtopics.shape
    seen = np.zeros((lists, 1, subtopics.shape[2]))
    left = np.ones((lists, size), bool)
    ordered = np.empty_like(subtopics)
    for rank in range(size):
        gains = np.where(left, (subtopics * (1.0 - alpha) ** seen).sum(axis=-1), -1.0)
        chosen = gains.argmax(axis=1)
        ordered[:, rank] = subtopics[np.arange(lists), chosen]
        left[np.arange(lists), chosen] = False
        seen += ordered[:, rank : rank + 1]
    return ordered
