"""The rankings that are compared: how each policy would order the evaluation requests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from serving.bundle import Bundle, Seq2SlateStage
from serving.runtime import SlateQuery, SlateRanker
from serving.runtime.seq2slate import Seq2Slate

TITLES = {
    "logged": "Order as logged",
    "base": "Base ranker (LambdaMART)",
    "base_without_images": "Base ranker without image features",
    "lambdamart_clicks": "LambdaMART trained on the clicks",
    "seq2slate": "seq2slate, greedy",
    "seq2slate_one_step": "seq2slate, one step",
    "served": "As served: all stages",
    "baseline": "Bundle in service before",
}
BATCH = 256


def served_scores(ranker: SlateRanker, lists: RankingLists, slate_size: int) -> NDArray[np.float64]:
    """What the service would show: every request's slate, then its other candidates in base order.

    Runs the bundle in the serving runtime, one request at a time, as traffic would.

    Args:
        ranker: a loaded bundle.
        lists: requests with raw features.
        slate_size: items to place, or all where there are fewer.

    Returns:
        float64 `[items]`, the higher the earlier.
    """
    scores = np.empty(lists.offsets[-1], np.float64)
    for index in range(len(lists)):
        rows = slice(lists.offsets[index], lists.offsets[index + 1])
        scores[rows] = -ranker.rank(query_of(ranker, lists, index, slate_size)).ranks
    return scores


def query_of(ranker: SlateRanker, lists: RankingLists, index: int, slate_size: int) -> SlateQuery:
    """Request `index` of `lists` as the service would receive it."""
    rows = slice(lists.offsets[index], lists.offsets[index + 1])
    context = len(ranker.features.context)
    return SlateQuery(
        request_id=str(lists.request_ids[index]),
        item_ids=tuple(map(str, lists.item_ids[rows])),
        context=lists.features[rows.start, :context],
        features=lists.features[rows, context:],
        slate_size=min(slate_size, rows.stop - rows.start),
    )


def seq2slate_scores(
    bundle: Bundle, lists: RankingLists, base_scores: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    """The re-ranker alone, without the gate before it, in both ways of decoding.

    Returns:
        `seq2slate` (greedy) and `seq2slate_one_step`, each float64 `[items]`; empty when the bundle has no
        re-ranker. Items it does not read or place keep the base order behind those it does.
    """
    stage = bundle.manifest.stage("seq2slate")
    if not isinstance(stage, Seq2SlateStage):
        return {}
    model = Seq2Slate(Path(bundle.folder / stage.file), stage.slate_size, stage.max_list_size)
    order = lists.descending_order(base_scores)
    ordered = lists.reordered(base_scores)
    greedy, one_step = [], []
    for batch in ordered.batches(BATCH):
        read = batch.top(stage.max_list_size).padded()
        placed, first = model.place_batch(read.features, read.mask)
        width = int(batch.list_sizes.max())
        greedy.append(_scores_of_order(placed, width)[batch.padded().mask])
        behind = np.tile(-1e9 - np.arange(width, dtype=np.float64), (len(batch), 1))
        behind[:, : first.shape[1]] = np.where(read.mask, first, behind[:, : first.shape[1]])
        one_step.append(behind[batch.padded().mask])
    scores = {}
    for name, parts in (("seq2slate", greedy), ("seq2slate_one_step", one_step)):
        scores[name] = np.empty(len(order))
        scores[name][order] = np.concatenate(parts)
    return scores


def _scores_of_order(order: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """Dense scores `[batch, width]` whose descending order is `order` `[batch, steps]`, then base order."""
    scores = np.tile(-np.arange(width, dtype=np.float64), (len(order), 1))
    batch, step = np.nonzero(order >= 0)
    scores[batch, order[batch, step]] = 2 * width + order.shape[1] - step
    return scores
