"""When two candidates of one list count as similar: the geometry behind diverse and similar clicks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from seriatim_errors import ConfigError

MAX_PAIRS = 1 << 21
# Rounding differs with the order in which a list stands; the pair that is the quantile itself must not
# change sides because of it.
RELATIVE_SLACK = 1e-9


def similar_pairs_by_list_size(
    lists: RankingLists, quantile: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Blocks of lists of one size with `similar_pairs` of each list.

    Yields:
        rows int64 `[lists, list_size]` and similar bool `[lists, list_size, list_size]`; every list of two or
        more items comes once.
    """
    largest = int(lists.list_sizes.max(initial=1))
    for rows in lists.rows_by_list_size(max_items=max(1, MAX_PAIRS // largest)):
        if rows.shape[1] > 1:
            yield rows, similar_pairs(lists.features[rows], quantile)


def similar_pairs(features: NDArray[np.floating], quantile: float) -> NDArray[np.bool_]:
    """Pairs of a list's items whose distance is at most the `quantile` of all the list's pairwise distances.

    Distances are Euclidean; the distance of an item to itself takes no part in the quantile. Features should
    be standardised: the column with the largest unit rules raw distances.

    Args:
        features: float `[lists, list_size, features]`, list_size >= 2.
        quantile: q in [0, 1], interpolated linearly between distances.

    Returns:
        bool `[lists, list_size, list_size]`, symmetric, false on the diagonal.
    """
    size = features.shape[1]
    upper = np.triu_indices(size, k=1)
    distances = pairwise_distances(features)[:, upper[0], upper[1]]
    threshold = np.quantile(distances, quantile, axis=1)[:, None]
    similar = np.zeros((len(features), size, size), bool)
    similar[:, upper[0], upper[1]] = distances <= threshold * (1.0 + RELATIVE_SLACK)
    return similar | similar.transpose(0, 2, 1)


def pairwise_distances(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euclidean distances between the items of each list, float64 `[lists, list_size, list_size]`.

    Args:
        features: float `[lists, list_size, features]`.
    """
    x = np.asarray(features, np.float64)
    # Centred, because the difference of large squared norms would lose the digits of small distances.
    x = x - x.mean(axis=1, keepdims=True)
    products = x @ x.transpose(0, 2, 1)
    norms = np.diagonal(products, axis1=1, axis2=2)
    squared = norms[:, :, None] + norms[:, None, :] - 2.0 * products
    tiny = 1e-12 * (norms[:, :, None] + norms[:, None, :])
    return np.sqrt(np.where(squared > tiny, squared, 0.0))


def checked_quantile(quantile: float) -> float:
    """`quantile` itself when it lies in [0, 1].

    Raises:
        ConfigError: it does not.
    """
    if not 0 <= quantile <= 1:
        raise ConfigError(f"quantile: {quantile}; give a share in [0, 1] of a list's pairs that count as similar")
    return quantile
