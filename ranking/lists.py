"""Ragged ranking data: the one form in which requests and their candidate items travel between modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError

# Few enough to stay in a processor's cache.
SORTED_AT_ONCE = 1 << 16
ITEM_FIELDS = ("item_ids", "features", "clicks", "grades", "positions", "propensities", "weights")
# What may stand in an optional column (NaN fails every one of these), and what to do about the rest.
_RANGES: dict[str, tuple[Callable[[NDArray], NDArray[np.bool_]], str]] = {
    "clicks": (lambda x: (x == 0) | (x == 1), "give 0 or 1"),
    "grades": (lambda x: (x >= 0) & np.isfinite(x), "give finite grades of at least 0"),
    "positions": (lambda x: x >= 1, "give 1-based positions"),
    "propensities": (lambda x: (x > 0) & (x <= 1), "give probabilities above 0 and at most 1"),
    "weights": (lambda x: (x >= 0) & np.isfinite(x), "give finite weights of at least 0"),
}


@dataclass(frozen=True)
class PaddedLists:
    """A dense batch of lists, padded at the end to one list size.

    `features` is float32 `[batch, list_size, features]` with zeros at padding; `mask` is bool
    `[batch, list_size]`, true where an item stands; `labels` is float32 `[batch, list_size]`, zero at
    padding.
    """

    features: NDArray[np.float32]
    mask: NDArray[np.bool_]
    labels: NDArray[np.float32]


@dataclass(frozen=True)
class RankingLists:
    """Requests with their candidate items, stored flat: list `i` owns the rows `offsets[i]:offsets[i + 1]`.

    Items stand in the order in which a model reads them (logged order, or a base ranker's order after
    `reordered`). Context features are repeated on every item of their list, before the item features.

    Every row is an item of its own. Ids only name rows in messages: an id that stands twice in a request stands
    for two candidates, as with two different ids (the click log's contract sets the second one aside before).

    Attributes:
        request_ids: object (str) `[lists]`.
        offsets: int64 `[lists + 1]`, non-decreasing, from 0 to the number of items.
        item_ids: object (str) `[items]`.
        features: float32 `[items, features]`, finite.
        feature_names: one name a column of `features`.
        clicks: float32 `[items]` in {0, 1}, or None where the source holds no clicks.
        grades: float32 `[items]`, >= 0, or None where the source holds no graded relevance.
        positions: int32 `[items]`, 1-based logged position, or None.
        propensities: float32 `[items]` in (0, 1], the logging policy's, or None.
        weights: float32 `[items]`, >= 0, or None for weight one.

    Raises:
        DataError: when the shapes disagree, a feature is not finite or another value is outside its range.
    """

    request_ids: NDArray[np.object_]
    offsets: NDArray[np.int64]
    item_ids: NDArray[np.object_]
    features: NDArray[np.float32]
    feature_names: tuple[str, ...]
    clicks: NDArray[np.float32] | None = None
    grades: NDArray[np.float32] | None = None
    positions: NDArray[np.int32] | None = None
    propensities: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.request_ids) + 1:
            raise DataError(
                f"offsets: {len(self.offsets)} values for {len(self.request_ids)} requests; "
                "give one more offset than there are requests"
            )
        if self.offsets[0] != 0 or (np.diff(self.offsets) < 0).any():
            raise DataError(f"offsets: {_shortened(self.offsets)}; start at 0 and never decrease")
        items = int(self.offsets[-1])
        for field in ITEM_FIELDS:
            value = getattr(self, field)
            if value is not None and len(value) != items:
                raise DataError(f"{field}: {len(value)} rows for {items} items; give one row an item")
        if self.features.ndim != 2 or self.features.shape[1] != len(self.feature_names):
            raise DataError(
                f"features: shape {self.features.shape} for {len(self.feature_names)} feature names; "
                "give a matrix with one column a name"
            )
        finite = np.isfinite(self.features).all(axis=0)
        if not finite.all():
            column = int(np.argmin(finite))
            row = int(np.argmin(np.isfinite(self.features[:, column])))
            raise DataError(
                f"feature {self.feature_names[column]!r} of item {self.item_ids[row]!r} is "
                f"{self.features[row, column]}; replace or drop values that are not finite"
            )
        for field, (inside, way_out) in _RANGES.items():
            value = getattr(self, field)
            if value is not None and not (good := inside(value)).all():
                row = int(np.argmin(good))
                raise DataError(f"{field}: item {self.item_ids[row]!r} has {value[row]}; {way_out}")

    def __len__(self) -> int:
        """Number of lists."""
        return len(self.request_ids)

    @property
    def list_sizes(self) -> NDArray[np.int64]:
        """Items in each list, int64 `[lists]`."""
        return np.diff(self.offsets)

    @property
    def list_index(self) -> NDArray[np.int64]:
        """For every item the index of its list, int64 `[items]`."""
        return np.repeat(np.arange(len(self)), self.list_sizes)

    def with_features(self, features: NDArray[np.float32]) -> RankingLists:
        """The same lists with another feature matrix of equal shape, for instance standardised."""
        with np.errstate(over="ignore"):  # What overflows is refused as not finite.
            return replace(self, features=np.asarray(features, np.float32))

    def with_clicks(self, clicks: NDArray[np.float32]) -> RankingLists:
        """The same lists with other clicks, float `[items]`, for instance simulated."""
        return replace(self, clicks=np.asarray(clicks, np.float32))

    def select(self, lists: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> RankingLists:
        """The lists at the given indices (or where a bool `[lists]` is true), in that order."""
        given = np.asarray(lists)
        chosen = np.flatnonzero(given) if given.dtype == bool else given.astype(np.int64)
        sizes = self.list_sizes[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        shift: NDArray[np.int64] = np.repeat(self.offsets[chosen] - offsets[:-1], sizes)
        return self._take(shift + np.arange(offsets[-1]), self.request_ids[chosen], offsets)

    def reordered(self, scores: NDArray[np.floating]) -> RankingLists:
        """Every list sorted by descending `scores` (float `[items]`); ties keep their present order."""
        return self.in_order(self.descending_order(scores))

    def in_order(self, order: NDArray[np.int64]) -> RankingLists:
        """Every list with its rows in another order: `order` is as `descending_order` gives it."""
        return self._take(order, self.request_ids, self.offsets)

    def descending_order(self, scores: NDArray[np.floating]) -> NDArray[np.int64]:
        """Row indices that sort each list by descending `scores`, int64 `[items]`; ties keep their order.

        Raises:
            DataError: there is not one score an item, or one is NaN, which has no place in an order.
        """
        values = np.asarray(scores, np.float64)
        if values.shape != (self.offsets[-1],):
            raise DataError(f"scores: shape {values.shape} for {self.offsets[-1]} items; give one score an item")
        if np.isnan(values).any():
            row = int(np.argmax(np.isnan(values)))
            raise DataError(f"scores: item {self.item_ids[row]!r} has nan; give scores that can be ordered")
        order = np.empty(len(values), np.int64)
        for block in self.rows_by_list_size(SORTED_AT_ONCE):
            places = np.argsort(-values[block], axis=1, kind="stable")
            order[block] = block[:, :1] + places
        return order

    def top(self, list_size: int) -> RankingLists:
        """The first `list_size` (>= 0) items of every list."""
        if list_size < 0:
            raise ValueError(f"list_size: {list_size}; give 0 or more")
        rank = np.arange(self.offsets[-1]) - self.offsets[self.list_index]
        rows = np.flatnonzero(rank < list_size)
        sizes = np.minimum(self.list_sizes, list_size)
        return self._take(rows, self.request_ids, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    def padded(self, labels: NDArray[np.float32] | None = None, list_size: int | None = None) -> PaddedLists:
        """A dense batch of all lists, cut or padded to `list_size` (default: the longest list).

        `labels` (float `[items]`) defaults to the clicks, or zeros where there are none.

        Raises:
            DataError: there is not one label an item, or one is not finite.
        """
        sizes = self.list_sizes
        width = int(list_size if list_size is not None else sizes.max(initial=1))
        mask = np.arange(width)[None, :] < sizes[:, None]
        rows = (self.offsets[:-1, None] + np.arange(width))[mask]
        values = labels if labels is not None else self.clicks
        features = np.zeros((*mask.shape, len(self.feature_names)), np.float32)
        features[mask] = self.features[rows]
        dense = np.zeros(mask.shape, np.float32)
        if values is not None:
            if len(values) != self.offsets[-1] or not np.isfinite(values).all():
                raise DataError(f"labels: give one finite label for each of the {self.offsets[-1]} items")
            dense[mask] = values[rows]
        return PaddedLists(features, mask, dense)

    def batches(self, batch_size: int) -> Iterator[RankingLists]:
        """Consecutive runs of at most `batch_size` (>= 1) lists, in order."""
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size}; give 1 or more")
        for start in range(0, len(self), batch_size):
            yield self.select(np.arange(start, min(start + batch_size, len(self))))

    def rows_by_list_size(self, max_items: int = 1 << 20) -> Iterator[NDArray[np.int64]]:
        """Rows of lists that share a list size, int64 `[lists, list_size]`, so that they need no padding.

        Every list that has an item comes exactly once; a block holds at most `max_items` rows, or one list.
        This is how arithmetic a list is vectorised: a loop over distinct sizes, never over lists.
        """
        sizes = self.list_sizes
        for size in np.unique(sizes[sizes > 0]):
            starts = self.offsets[:-1][sizes == size]
            lists_a_block = max(1, max_items // int(size))
            for first in range(0, len(starts), lists_a_block):
                yield starts[first : first + lists_a_block, None] + np.arange(size)

    def _take(
        self, rows: NDArray[np.int64], request_ids: NDArray[np.object_], offsets: NDArray[np.int64]
    ) -> RankingLists:
        taken: dict[str, Any] = {
            field: None if getattr(self, field) is None else getattr(self, field)[rows] for field in ITEM_FIELDS
        }
        return replace(self, request_ids=request_ids, offsets=offsets, **taken)


def _shortened(values: NDArray) -> str:
    return np.array2string(values, threshold=8, edgeitems=3)
