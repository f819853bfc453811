"""Which slice of each column every request is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.slices_config import SliceConfig
from ranking.lists import RankingLists
from seriatim_errors import DataError

CANDIDATES = SliceConfig(column="candidates_in_request", buckets=4)
CLICKS = SliceConfig(column="clicks_in_request", bounds=(1.0, 2.0, 3.0, 5.0, 10.0))
MOST_VALUES = 500
SHOWN_COLUMNS = 20
DIGITS = 4


@dataclass(frozen=True)
class SlicedRequests:
    """One column's slices, those that hold a request.

    Attributes:
        column: its name.
        names: of the slices, in rising order of their values.
        index: int64 `[requests]`, the slice of each.
    """

    column: str
    names: tuple[str, ...]
    index: NDArray[np.int64]


def slice_requests(lists: RankingLists, slices: Sequence[SliceConfig]) -> list[SlicedRequests]:
    """Slice requests by their number of candidates, by that of their clicks where there are clicks, and as configured.

    Args:
        lists: the requests, raw features.
        slices: columns among the features of `lists`.

    Raises:
        DataError: a column is unknown, differs within a request, or has too many values for a slice each.
    """
    built_in = [(CANDIDATES, lists.list_sizes.astype(np.float64))]
    if lists.clicks is not None:
        built_in.append((CLICKS, np.bincount(lists.list_index, lists.clicks, len(lists)).astype(np.float64)))
    found = [sliced_by(given, values) for given, values in built_in]
    for given in slices:
        require_column(given.column, lists.feature_names)
        column = lists.features[:, lists.feature_names.index(given.column)]
        found.append(sliced_by(given, values_of_requests(given.column, column, lists.offsets, lists.request_ids)))
    return found


def require_column(column: str, known: Sequence[str], setting: str = "evaluation.slices", of: str = "log") -> None:
    """Refuse a column that is none of the `known` features `of` log or items with a `DataError`."""
    if column not in known:
        more = ", ..." if len(known) > SHOWN_COLUMNS else ""
        raise DataError(
            f"{setting}: column {column!r} is none of the {of}'s features "
            f"({', '.join(known[:SHOWN_COLUMNS])}{more}); name one of them"
        )


def values_of_requests(
    column: str, values: NDArray[np.float32], offsets: NDArray[np.int64], request_ids: NDArray[np.object_]
) -> NDArray[np.float32]:
    """A column's value in each request, float32 `[requests]`; 0 for a request without items.

    Args:
        column: its name.
        values: float32 `[items]`, finite.
        offsets: int64 `[requests + 1]`, where each request's items begin.
        request_ids: object (str) `[requests]`.

    Raises:
        DataError: the column differs within a request.
    """
    sizes = np.diff(offsets)
    first = np.zeros(len(sizes), np.float32)
    first[sizes > 0] = values[offsets[:-1][sizes > 0]]
    differs = values != np.repeat(first, sizes)
    if differs.any():
        item = int(np.argmax(differs))
        request = int(np.searchsorted(offsets, item, side="right")) - 1
        raise DataError(
            f"evaluation.slices: column {column!r} differs within request {request_ids[request]!r} "
            f"({_text(first[request])} and {_text(values[item])}), so it does not say in which slice the request is; "
            "name a context column, or write its mean over the request into the log as one"
        )
    return first


def sliced_by(given: SliceConfig, values: NDArray[np.floating], setting: str = "evaluation.slices") -> SlicedRequests:
    """The slices of one column by its values in the requests, float `[requests]`; `setting` is named in errors.

    Quantiles are rounded to four digits where that keeps them apart; a value at a bound is in the slice above it.

    Raises:
        DataError: there are more than 500 values and neither buckets nor bounds.
    """
    distinct, index = np.unique(values, return_inverse=True)
    if not given.bounds and given.buckets is None:
        if len(distinct) > MOST_VALUES:
            raise DataError(
                f"{setting}: column {given.column!r} has {len(distinct)} values, and {MOST_VALUES} slices are "
                f"the most; give it buckets, such as {{column: {given.column}, buckets: 4}}"
            )
        return SlicedRequests(given.column, tuple(map(_text, distinct)), index.astype(np.int64))
    bounds = np.array(given.bounds) if given.buckets is None else _quantiles(values, given.buckets)
    filled, index = np.unique(np.searchsorted(bounds, values, side="right"), return_inverse=True)
    whole = bool((values == np.floor(values)).all() and (bounds == np.floor(bounds)).all())
    names = tuple(_range(bounds, bucket, whole) for bucket in filled)
    return SlicedRequests(given.column, names, index.astype(np.int64))


def _quantiles(values: NDArray[np.floating], buckets: int) -> NDArray[np.floating]:
    """Rising bounds between buckets; fewer where values repeat so often that buckets would be empty."""
    if len(values) == 0:
        return np.zeros(0)
    # Values themselves, not points between them, so that bounds are as short as the data.
    inner = np.quantile(values, np.arange(1, buckets) / buckets, method="higher")
    exact = np.unique(inner)
    exact = exact[exact > values.min()]
    rounded = np.unique([float(f"{bound:.{DIGITS}g}") for bound in exact])
    return rounded if len(rounded) == len(exact) else exact


def _range(bounds: NDArray[np.floating], bucket: int, whole: bool) -> str:
    """The values of a bucket in words; whole numbers are named with the last one that is in it."""
    if len(bounds) == 0:
        return "all"
    if bucket == len(bounds):
        return f"{_text(bounds[-1])} and more"
    last = _text(bounds[bucket] - 1)
    if bucket == 0:
        return f"up to {last}" if whole else f"below {_text(bounds[0])}"
    low = _text(bounds[bucket - 1])
    if not whole:
        return f"{low} to below {_text(bounds[bucket])}"
    return low if low == last else f"{low} to {last}"


def _text(value: np.floating) -> str:
    """The shortest text that tells a value from its neighbours, without a decimal point where it needs none."""
    # Adding 0 turns negative zero into plain zero.
    return str(value + type(value)(0)).removesuffix(".0")
