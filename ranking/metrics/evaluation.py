"""Every ranking metric of every request, for scores or for an explicit order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.metrics.discounted_gain import normalised_discounted_cumulative_gain
from ranking.metrics.precision import average_precision, hit_at, precision_at, recall_at
from ranking.metrics.rank_gain import rank_gain
from ranking.metrics.reciprocal_rank import expected_reciprocal_rank, reciprocal_rank
from seriatim_errors import DataError

NoRelevantPolicy = Literal["skip", "zero", "one"]
NO_RELEVANT_VALUE = {"skip": np.nan, "zero": 0.0, "one": 1.0}
RANK_GAIN = "rank_gain"


def evaluate_lists(
    lists: RankingLists,
    scores: NDArray[np.floating],
    labels: NDArray[np.floating],
    cutoffs: Sequence[int] = (5, 10),
    no_relevant: NoRelevantPolicy = "skip",
    max_grade: float | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Each metric of each request when its items are ranked by descending score.

    Args:
        lists: the requests, items in base order (rank gain is counted against it).
        scores: float `[items]`, finite; ties keep the base order.
        labels: float `[items]`, >= 0: clicks or grades; an item is relevant where its label is positive.
        cutoffs: ranks k of the metrics named `..._at_k`.
        no_relevant: what a list without a relevant item counts as: `skip` (nan, left out of means), `zero`,
            or `one` (rank gain: 0 in both, for nothing moved).
        max_grade: top of the grade scale for `err`; None: the highest label here, at least 1.

    Returns:
        float64 `[lists]` under each of `map`, `mrr`, `err`, `rank_gain`, `ndcg`, and for every cutoff k
        `ndcg_at_k`, `precision_at_k`, `recall_at_k`, `hit_at_k`.

    Raises:
        DataError: scores or labels do not match the items, are not finite, or a label is negative.
    """
    values = np.asarray(scores)
    if values.shape != (lists.offsets[-1],):
        raise DataError(f"scores: shape {values.shape} for {lists.offsets[-1]} items; give one score an item")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"scores: item {lists.item_ids[row]!r} has {values[row]}; give finite scores")
    return evaluate_order(
        lists, lists.descending_order(values), labels, cutoffs, no_relevant=no_relevant, max_grade=max_grade
    )


def evaluate_order(
    lists: RankingLists,
    order: NDArray[np.integer],
    labels: NDArray[np.floating],
    cutoffs: Sequence[int] = (5, 10),
    no_relevant: NoRelevantPolicy = "skip",
    max_grade: float | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Each metric of each request when its items stand in an explicit order.

    Args:
        lists: the requests, items in base order.
        order: int `[items]`, row indices as `RankingLists.descending_order` gives them: the rows of each list
            permuted within the list's own span.
        labels, cutoffs, no_relevant, max_grade: as in `evaluate_lists`, labels in the rows' present order.

    Returns:
        As `evaluate_lists`.

    Raises:
        DataError: `order` is no permutation within lists, or labels do not match the items, are not finite or
            negative, or a cutoff is below 1.
    """
    rows = np.asarray(order)
    values = _checked_labels(lists, labels)
    _check_order(lists, rows)
    for cutoff in cutoffs:
        if cutoff < 1:
            raise DataError(f"cutoffs: {cutoff}; give ranks of at least 1")
    top_grade = max(1.0, float(values.max(initial=1.0))) if max_grade is None else max_grade
    ranked = values[rows]
    base_ranks = rows - lists.offsets[lists.list_index] + 1
    names = _metrics(np.zeros((1, 1)), np.ones((1, 1), np.int64), cutoffs, top_grade)
    neutral = NO_RELEVANT_VALUE[no_relevant]
    result = {name: np.full(len(lists), neutral) for name in names}
    if no_relevant == "one":
        result[RANK_GAIN][:] = 0.0
    list_index = lists.list_index
    for block in lists.rows_by_list_size():
        index = list_index[block[:, 0]]
        for name, metric in _metrics(ranked[block], base_ranks[block], cutoffs, top_grade).items():
            result[name][index] = np.where(np.isnan(metric), result[name][index], metric)
    return result


def _metrics(
    labels: NDArray[np.float64], base_ranks: NDArray[np.integer], cutoffs: Sequence[int], max_grade: float
) -> dict[str, NDArray[np.float64]]:
    """All metrics of a block of lists `[lists, list_size]` in rank order."""
    metrics = {
        "map": average_precision(labels),
        "mrr": reciprocal_rank(labels),
        "err": expected_reciprocal_rank(labels, max_grade),
        RANK_GAIN: rank_gain(labels, base_ranks),
        "ndcg": normalised_discounted_cumulative_gain(labels),
    }
    for cutoff in cutoffs:
        metrics[f"ndcg_at_{cutoff}"] = normalised_discounted_cumulative_gain(labels, cutoff)
        metrics[f"precision_at_{cutoff}"] = precision_at(labels, cutoff)
        metrics[f"recall_at_{cutoff}"] = recall_at(labels, cutoff)
        metrics[f"hit_at_{cutoff}"] = hit_at(labels, cutoff)
    return metrics


def _checked_labels(lists: RankingLists, labels: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(labels, np.float64)
    if values.shape != (lists.offsets[-1],):
        raise DataError(f"labels: shape {values.shape} for {lists.offsets[-1]} items; give one label an item")
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"labels: item {lists.item_ids[row]!r} has {values[row]}; give finite labels of at least 0")
    return values


def _check_order(lists: RankingLists, order: NDArray[np.integer]) -> None:
    items = int(lists.offsets[-1])
    if order.shape != (items,) or (np.sort(order) != np.arange(items)).any():
        raise DataError(f"order: not a permutation of the {items} rows; name every row once")
    strayed = lists.list_index[order] != lists.list_index
    if strayed.any():
        place = int(np.argmax(strayed))
        request = lists.request_ids[lists.list_index[place]]
        raise DataError(
            f"order: place {place}, in request {request!r}, holds row {order[place]} of another request; "
            "permute rows within their own list"
        )
