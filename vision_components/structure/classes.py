"""Classes of equal things by union and find."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Classes:
    """Numbers from 0, of which some are declared the same."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def new(self, count: int) -> NDArray[np.int64]:
        """Numbers that are the same as no others, int64 `[count]`."""
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count, dtype=np.int64)

    def unite(self, one: int, other: int) -> None:
        """Declare two the same; the smaller stands for both."""
        one, other = self._root(one), self._root(other)
        self._parents[max(one, other)] = min(one, other)

    def roots(self) -> NDArray[np.int64]:
        """Of every number the smallest of its class, int64 `[numbers]`."""
        return np.array([self._root(number) for number in range(len(self._parents))], np.int64)

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number
