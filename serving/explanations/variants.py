"""Variants of the list that a re-ranker read, made when they are asked for: all at once they would fill the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Lists(Protocol):
    """Lists of one length; a slice of them is float32 `[lists, list_size, features]`."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Same:
    """The list as it is, `count` times."""

    features: NDArray[np.float32]
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        lists = len(range(self.count)[part])
        return np.repeat(self.features[np.newaxis], lists, axis=0)


@dataclass(frozen=True)
class WithoutEach:
    """The list without each of its candidates, in turn."""

    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        everyone = np.arange(len(self.features))
        return self.features[np.array([np.delete(everyone, row) for row in everyone[part]])]


@dataclass(frozen=True)
class Levelled:
    """The list with each of `columns` set to its value in `values`, in turn: of one `item`, or of all."""

    features: NDArray[np.float32]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]
    item: int | None = None

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        columns, values = self.columns[part], self.values[part]
        lists = np.repeat(self.features[np.newaxis], len(columns), axis=0)
        items = slice(None) if self.item is None else slice(self.item, self.item + 1)
        lists[np.arange(len(columns)), items, columns] = values[:, np.newaxis]
        return lists
