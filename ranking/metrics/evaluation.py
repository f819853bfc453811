"""Every ranking metric of every request, for scores or for an explicit order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.metrics.discounted_gain import gains_at_cutoffs
from ranking.metrics.intra_list_distance import intra_list_distance
from ranking.metrics.list_weights import relevance_of, weights_of_sums
from ranking.metrics.precision import average_precision, hit_at, precision_at, recall_at
from ranking.metrics.rank_gain import rank_gain
from ranking.metrics.ranked import Counted, counted
from ranking.metrics.reciprocal_rank import expected_reciprocal_rank, reciprocal_rank
from seriatim_errors import ConfigError, DataError

# What a metric says of a list without a relevant item: nothing, so that means pass it over, or a value.
NoRelevantPolicy = Literal["skip", "zero", "one"]
NO_RELEVANT_VALUE = {"skip": np.nan, "zero": 0.0, "one": 1.0}
RANK_GAIN = "rank_gain"
# Items of the blocks in which diversity reads features, so that a copy of them stays small.
DIVERSITY_BLOCK = 1 << 16
# Items of the blocks in which metrics are taken: few enough to stay in a processor's cache.
EVALUATED_AT_ONCE = 1 << 16


def evaluate_lists(
    lists: RankingLists,
    scores: NDArray[np.floating],
    labels: NDArray[np.floating],
    cutoffs: Sequence[int] = (5, 10),
    no_relevant: NoRelevantPolicy = "skip",
    max_grade: float | None = None,
    weights: NDArray[np.floating] | None = None,
    diversity_columns: Sequence[str] = (),
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
        weights: float `[items]`, >= 0, for instance `lists.weights`: an item of weight 0 holds no rank, the
            others count as each metric says; mean the result with `metric_weights`. None: all equal.
        diversity_columns: names of features; given some, `diversity_at_k` is the mean distance over them of the
            first k items. It needs no relevant item, only two items (nan with fewer, whatever `no_relevant`).

    Returns:
        float64 `[lists]` under each of `map`, `mrr`, `err`, `rank_gain`, `ndcg`, and for every cutoff k
        `ndcg_at_k`, `precision_at_k`, `recall_at_k`, `hit_at_k`.

    Raises:
        ConfigError: `no_relevant` is no known policy.
        DataError: scores, labels or weights do not match the items or leave their range, or a column is unknown.
    """
    values = np.asarray(scores)
    if values.shape != (lists.offsets[-1],):
        raise DataError(f"scores: shape {values.shape} for {lists.offsets[-1]} items; give one score an item")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"scores: item {lists.item_ids[row]!r} has {values[row]}; give finite scores")
    order = lists.descending_order(values)
    return _evaluated(lists, order, labels, cutoffs, no_relevant, max_grade, weights, diversity_columns)


def evaluate_order(
    lists: RankingLists,
    order: NDArray[np.integer],
    labels: NDArray[np.floating],
    cutoffs: Sequence[int] = (5, 10),
    no_relevant: NoRelevantPolicy = "skip",
    max_grade: float | None = None,
    weights: NDArray[np.floating] | None = None,
    diversity_columns: Sequence[str] = (),
) -> dict[str, NDArray[np.float64]]:
    """Each metric of each request when its items stand in an explicit order.

    Args:
        lists: the requests, items in base order.
        order: int `[items]`, row indices as `RankingLists.descending_order` gives them: the rows of each list
            permuted within the list's own span.
        labels, cutoffs, no_relevant, max_grade, weights, diversity_columns: as in `evaluate_lists`, labels and
            weights in the rows' present order.

    Returns:
        As `evaluate_lists`.

    Raises:
        ConfigError, DataError: as `evaluate_lists`, or `order` is no permutation within lists, or a cutoff is
            below 1.
    """
    rows = np.asarray(order)
    _check_order(lists, rows)
    return _evaluated(lists, rows, labels, cutoffs, no_relevant, max_grade, weights, diversity_columns)


def metric_weights(
    lists: RankingLists,
    labels: NDArray[np.floating],
    weights: NDArray[np.floating],
    metrics: Iterable[str],
) -> dict[str, NDArray[np.float64]]:
    """How much each list counts in the mean of each metric, when items have weights.

    A list's weight is that of its relevant items (`list_weights`; for NDCG each by its gain), as in TF-Ranking;
    for diversity it is that of all its items.

    Args:
        lists: the requests.
        labels, weights: float `[items]`, >= 0, as given to `evaluate_lists`.
        metrics: names of metrics, such as the result of `evaluate_lists`.

    Returns:
        float64 `[lists]`, >= 0, under each name, for `bootstrap_interval`.

    Raises:
        DataError: labels or weights do not match the items or leave their range.
    """
    values, importance = _checked(lists, "labels", labels), _checked(lists, "weights", weights)
    holds_rank = importance > 0
    has_weight = np.bincount(lists.list_index, holds_rank, len(lists)) > 0

    def summed(relevant: NDArray[np.float64]) -> NDArray[np.float64]:
        counting = np.where(holds_rank, relevant, 0.0)
        weighted, total = (
            np.bincount(lists.list_index, x, len(lists)).astype(np.float64) for x in (importance * counting, counting)
        )
        return weights_of_sums(weighted, total, has_weight)

    of_clicks, of_gains = summed(relevance_of(values, "binary")), summed(relevance_of(values, "exponential"))
    of_all = summed(np.ones_like(values))

    def of(metric: str) -> NDArray[np.float64]:
        if metric.startswith("diversity"):
            return of_all
        return of_gains if metric.startswith("ndcg") else of_clicks

    return {metric: of(metric) for metric in metrics}


def _evaluated(
    lists: RankingLists,
    rows: NDArray[np.integer],
    labels: NDArray[np.floating],
    cutoffs: Sequence[int],
    no_relevant: NoRelevantPolicy,
    max_grade: float | None,
    weights: NDArray[np.floating] | None,
    diversity_columns: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    """`evaluate_order` of rows known to be an order."""
    values = _checked(lists, "labels", labels)
    for cutoff in cutoffs:
        if cutoff < 1:
            raise DataError(f"cutoffs: {cutoff}; give ranks of at least 1")
    if no_relevant not in NO_RELEVANT_VALUE:
        raise ConfigError(f"no_relevant: {no_relevant!r}; choose one of {', '.join(NO_RELEVANT_VALUE)}")
    highest = float(values.max(initial=0.0))
    top_grade = max(1.0, highest) if max_grade is None else max_grade
    if not highest <= top_grade < np.inf:
        raise DataError(f"max_grade: {max_grade} for labels up to {highest}; give the top of the labels' scale")
    importance = None if weights is None else _checked(lists, "weights", weights)
    neutral = NO_RELEVANT_VALUE[no_relevant]
    result = {name: np.full(len(lists), neutral) for name in _no_metrics(cutoffs)}
    if no_relevant == "one":
        result[RANK_GAIN][:] = 0.0
    list_index = lists.list_index
    for block in lists.rows_by_list_size(EVALUATED_AT_ONCE):
        index, ranked = list_index[block[:, 0]], rows[block]
        shares = None if importance is None else importance[ranked]
        items = counted(values[ranked], shares)
        for name, metric in _metrics(items, _base_ranks(block, ranked, importance), cutoffs, top_grade).items():
            result[name][index] = np.where(np.isnan(metric), result[name][index], metric)
    return result | _diversity(lists, rows, importance, cutoffs, diversity_columns)


def _base_ranks(
    block: NDArray[np.int64], ranked: NDArray[np.integer], importance: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """The ranks from 1, among the items of some weight, that the rows `ranked` have in the order of `block`."""
    places = ranked - block[:, :1]
    if importance is None:
        return places + 1
    return np.take_along_axis(np.cumsum(importance[block] > 0, axis=1), places, axis=1)


def _metrics(
    items: Counted, base_ranks: NDArray[np.integer], cutoffs: Sequence[int], max_grade: float
) -> dict[str, NDArray[np.float64]]:
    """All metrics of a block of lists `[lists, list_size]` in rank order."""
    ndcg, *ndcg_at = gains_at_cutoffs(items, (None, *cutoffs))
    metrics = {
        "map": average_precision(items),
        "mrr": reciprocal_rank(items),
        "err": expected_reciprocal_rank(items, max_grade),
        RANK_GAIN: rank_gain(items, base_ranks),
        "ndcg": ndcg,
    }
    for cutoff, ndcg_at_cutoff in zip(cutoffs, ndcg_at, strict=True):
        metrics[f"ndcg_at_{cutoff}"] = ndcg_at_cutoff
        metrics[f"precision_at_{cutoff}"] = precision_at(items, cutoff)
        metrics[f"recall_at_{cutoff}"] = recall_at(items, cutoff)
        metrics[f"hit_at_{cutoff}"] = hit_at(items, cutoff)
    return metrics


def _no_metrics(cutoffs: Sequence[int]) -> Iterable[str]:
    """The names alone, in their order."""
    return _metrics(counted(np.zeros((1, 1))), np.ones((1, 1), np.int64), cutoffs, 1.0)


def _diversity(
    lists: RankingLists,
    rows: NDArray[np.integer],
    importance: NDArray[np.float64] | None,
    cutoffs: Sequence[int],
    columns: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    unknown = [name for name in columns if name not in lists.feature_names]
    if unknown:
        raise DataError(f"diversity_columns: {unknown[0]!r} is no feature; choose of {', '.join(lists.feature_names)}")
    if not columns:
        return {}
    chosen = [lists.feature_names.index(name) for name in columns]
    result = {f"diversity_at_{cutoff}": np.full(len(lists), np.nan) for cutoff in cutoffs}
    list_index = lists.list_index
    for block in lists.rows_by_list_size(DIVERSITY_BLOCK):
        ranked = rows[block]
        present = np.ones(ranked.shape, bool) if importance is None else importance[ranked] > 0
        # What holds no rank goes behind the rest of its list.
        first = np.argsort(~present, axis=1, kind="stable")[:, : max(cutoffs, default=1)]
        ranked, present = (np.take_along_axis(each, first, axis=1) for each in (ranked, present))
        features = lists.features[ranked][:, :, chosen]
        for cutoff in cutoffs:
            values = intra_list_distance(features, cutoff, present)
            result[f"diversity_at_{cutoff}"][list_index[block[:, 0]]] = values
    return result


def _checked(lists: RankingLists, name: str, values: NDArray[np.floating]) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (lists.offsets[-1],):
        one = name.removesuffix("s")
        raise DataError(f"{name}: shape {numbers.shape} for {lists.offsets[-1]} items; give one {one} an item")
    bad = ~np.isfinite(numbers) | (numbers < 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{name}: item {lists.item_ids[row]!r} has {numbers[row]}; give finite {name} of at least 0")
    return numbers


def _check_order(lists: RankingLists, order: NDArray[np.integer]) -> None:
    items = int(lists.offsets[-1])
    if order.shape == (items,) and all(
        (np.sort(order[block], axis=1) == block).all() for block in lists.rows_by_list_size(EVALUATED_AT_ONCE)
    ):
        return
    if order.shape != (items,) or (np.sort(order) != np.arange(items)).any():
        raise DataError(f"order: not a permutation of the {items} rows; name every row once")
    place = int(np.argmax(lists.list_index[order] != lists.list_index))
    request = lists.request_ids[lists.list_index[place]]
    raise DataError(
        f"order: place {place}, in request {request!r}, holds row {order[place]} of another request; "
        "permute rows within their own list"
    )
