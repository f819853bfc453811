"""Sums of requests in bounded memory: each request's own up to a number, random groups of requests beyond it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A power of two. The variance of a mean estimated from so many groups has a standard error of sqrt(2 / GROUPS),
# 0.8 %, so an interval's width one of 0.4 %; 1000 resamples alone give it about ten times that.
GROUPS = 1 << 15


class RequestSums:
    """Rows of sums, one a request, added in chunks of any size.

    Up to `GROUPS` requests the rows are kept. Beyond it every request is thrown into one of `GROUPS` groups by a
    hash of its place, and only the sums of the groups are kept. Groups of independent requests are independent
    as well, and drawing groups instead of requests leaves the variance of a ratio of sums as it is, in whatever
    order the requests come. The result depends on the order of the rows, not on how they were cut into chunks.

    Attributes:
        count: requests added so far.
    """

    def __init__(self, columns: int) -> None:
        """Nothing added yet; `columns` numbers a request."""
        self.count = 0
        self._kept: list[NDArray[np.float64]] = [np.zeros((columns, 0))]
        self._groups: NDArray[np.float64] | None = None

    def add(self, rows: NDArray[np.float64]) -> None:
        """Add requests, float64 `[columns, requests]`."""
        first = self.count
        self.count += rows.shape[1]
        if self.count <= GROUPS:
            self._kept.append(rows)
            return
        if self._groups is None:
            self._groups = np.zeros((len(rows), GROUPS))
            self._add_to_groups(self._groups, 0, np.concatenate(self._kept, axis=1))
            self._kept = []
        self._add_to_groups(self._groups, first, rows)

    @property
    def rows(self) -> NDArray[np.float64]:
        """The rows to draw from, float64 `[min(count, GROUPS), columns]`."""
        if self._groups is not None:
            return self._groups.T
        self._kept = [np.concatenate(self._kept, axis=1)]
        return self._kept[0].T

    @staticmethod
    def _add_to_groups(groups: NDArray[np.float64], first: int, rows: NDArray[np.float64]) -> None:
        group = _group_of(np.arange(first, first + rows.shape[1], dtype=np.uint64))
        for total, column in zip(groups, rows, strict=True):
            # Adds one after another, so that no sum depends on where a chunk ends.
            np.add.at(total, group, column)


def _group_of(place: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The group of the request at each place: the top bits of Steele, Lea and Flood's SplitMix64 (OOPSLA 2014)."""
    mixed = (place + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(64 - (GROUPS - 1).bit_length())).astype(np.int64)
