"""How often which items were shown and clicked at which positions: what position-based estimation reads of a log."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.lists import RankingLists
from seriatim_errors import DataError


@dataclass(frozen=True)
class LoggedClicks:
    """A log as click models read it, one row an impressed item.

    Attributes:
        clicked: bool `[rows]`.
        position: int64 `[rows]`, 1-based.
        group: int64 `[rows]`, index into `groups`.
        groups: object `[groups]`, what shares one attraction.
        list_index: int64 `[rows]`, the request of each row.
        weights: float64 `[rows]`, > 0.
    """

    clicked: NDArray[np.bool_]
    position: NDArray[np.int64]
    group: NDArray[np.int64]
    groups: NDArray
    list_index: NDArray[np.int64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class ClickCounts:
    """Weighted impressions and clicks by cell, a cell being a group at a position.

    Attributes:
        group: int64 `[cells]`.
        position: int64 `[cells]`, from 0.
        shown, clicked: float64 `[cells]`, shown > 0, 0 <= clicked <= shown.
        cell: int64 `[rows]`, the cell of every row of the log.
    """

    group: NDArray[np.int64]
    position: NDArray[np.int64]
    shown: NDArray[np.float64]
    clicked: NDArray[np.float64]
    cell: NDArray[np.int64]

    @classmethod
    def of(cls, log: LoggedClicks) -> ClickCounts:
        """Count the rows of `log`, each as often as it weighs."""
        width = int(log.position.max())
        cells, cell = np.unique(log.group * width + log.position - 1, return_inverse=True)
        counts = cls(cells // width, cells % width, np.zeros(len(cells)), np.zeros(len(cells)), cell)
        return counts.recounted(log, log.weights)

    def recounted(self, log: LoggedClicks, weights: NDArray[np.float64]) -> ClickCounts:
        """The same cells with the rows of `log` weighed by `weights`, float64 `[rows]`."""
        cells = len(self.group)
        shown = np.bincount(self.cell, weights, minlength=cells).astype(np.float64)
        clicked = np.bincount(self.cell, weights * log.clicked, minlength=cells).astype(np.float64)
        return replace(self, shown=shown, clicked=clicked)


def logged_clicks(lists: RankingLists, groups: ArrayLike | None) -> LoggedClicks:
    """The rows of `lists` with weight above 0.

    Args:
        lists: with clicks, and with positions where items were not shown in the lists' order.
        groups: `[items]` values whose equals share one attraction, for instance `query/item`; None: item ids.

    Raises:
        DataError: no clicks are held or none was made, or `groups` is not one an item.
    """
    if lists.clicks is None:
        raise DataError("clicks: the lists hold none; click models are estimated from a log with clicks")
    rows = len(lists.item_ids)
    named = lists.item_ids if groups is None else np.asarray(groups)
    if named.shape != (rows,):
        raise DataError(f"groups: shape {named.shape} for {rows} items; give one value an item")
    in_order = np.arange(rows) - lists.offsets[lists.list_index] + 1
    position = in_order if lists.positions is None else lists.positions.astype(np.int64)
    weights = np.ones(rows) if lists.weights is None else lists.weights.astype(np.float64)
    kept = weights > 0
    clicked = lists.clicks[kept] > 0
    if not clicked.any():
        raise DataError(f"clicks: none among {rows} impressions; a click model needs clicks, so take a longer log")
    values, group = np.unique(named[kept].astype(str), return_inverse=True)
    return LoggedClicks(clicked, position[kept], group, values.astype(object), lists.list_index[kept], weights[kept])


def check_positions_compare(counts: ClickCounts, log: LoggedClicks) -> None:
    """Refuse a log that cannot tell the bias of positions from the attraction of items.

    Two positions compare when a group that was clicked somewhere was shown at both, or by a chain of such.

    Raises:
        DataError: only one position was logged, the first has no click, or a position does not compare with it.
    """
    positions = np.unique(counts.position)
    if len(positions) < 2:
        raise DataError(
            f"positions: all impressions stand at position {positions[0] + 1}; position bias is not identifiable, "
            "so log several positions"
        )
    if positions[0] != 0 or not counts.clicked[counts.position == 0].any():
        raise DataError("positions: position 1 has no click; examination is relative to it, so take a longer log")
    clicks = np.bincount(counts.group, counts.clicked, minlength=len(log.groups))
    cells = clicks[counts.group] > 0
    group, position = counts.group[cells], counts.position[cells]
    reached = np.zeros(positions[-1] + 1, bool)
    reached[0] = True
    while True:
        groups = np.zeros(len(log.groups), bool)
        groups[group[reached[position]]] = True
        more = reached.copy()
        more[position[groups[group]]] = True
        if (more == reached).all():
            break
        reached = more
    apart = positions[~reached[positions]]
    if len(apart):
        raise DataError(
            f"positions: no clicked item links position {apart[0] + 1} to position 1, so that bias and attraction "
            "cannot be told apart; show items at several positions, for instance by swapping neighbours at random"
        )
