"""Diversity by geometry: how far apart the items at the top of a list are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.metrics.ranked import checked_cutoff
from seriatim_errors import DataError


def intra_list_distance(
    features: ArrayLike, cutoff: int | None = None, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """The mean Euclidean distance over all pairs of the first `cutoff` items.

    >>> intra_list_distance([[0.0, 0.0], [3.0, 4.0], [100.0, 0.0]], cutoff=2)
    array(5.)

    Args:
        features: float `[..., list_size, columns]` in rank order, finite where the mask is true; standardise
            them, for the column with the largest unit rules raw distances.
        cutoff: the rank k down to which items count; None: the whole list.
        mask: bool `[..., list_size]`, false for items that hold no rank. None: all do.

    Returns:
        float64 `[...]`, >= 0, in units of the features; nan where fewer than two items count.

    Raises:
        DataError: a feature that counts is not finite.
        ValueError: `cutoff` is below 1.

    Source: Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005, with
    distance in place of similarity.
    """
    values = np.asarray(features, np.float64)
    present = np.broadcast_to(True if mask is None else np.asarray(mask, bool), values.shape[:-1])
    values = np.where(present[..., None], values, 0.0)
    if not np.isfinite(values).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(values))[0])
        raise DataError(f"features: {values[place]} at {place}; give finite features, and a mask for padding")
    places = np.argsort(~present, axis=-1, kind="stable")
    places = places if cutoff is None else places[..., : checked_cutoff(cutoff)]
    top, stands = np.take_along_axis(values, places[..., None], -2), np.take_along_axis(present, places, -1)
    total, pairs = np.zeros(present.shape[:-1]), np.zeros(present.shape[:-1], np.int64)
    for gap in range(1, top.shape[-2]):
        # What holds no rank stands last: a pair counts where its later item does.
        both = stands[..., gap:]
        distances = np.linalg.norm(top[..., gap:, :] - top[..., :-gap, :], axis=-1)
        total += np.where(both, distances, 0.0).sum(axis=-1)
        pairs += both.sum(axis=-1)
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)
