"""Explain the slates of a few evaluation requests: why do items stand where they stand?"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.policies import query_of
from pipelines.report.explanation_metrics import ExplainedItem, ExplainedSample, ExplanationMetrics
from ranking.lists import RankingLists
from serving.explanations import Background, described, explain, load_background
from serving.runtime import Slate, SlateRanker

SLATE_SIZE = 10
# So many requests are ranked to find the samples: a second's work.
SCANNED = 500
MOST_ITEMS, MOST_FEATURES, MOST_EFFECTS = 5, 8, 4
Chosen = Literal["example", "furthest", "typical"]


def explain_samples(ranker: SlateRanker, evaluation: RankingLists, train: RankingLists) -> ExplanationMetrics | None:
    """The first items of up to three slates, and the one of each that moved furthest, explained.

    The requests are: the example of the report; of the others among the first `SCANNED` the one that moved an item
    furthest from its base rank, where any moved; and the one whose items moved by the median, all in all. The context's
    features are occluded by their mean over the training requests.

    Args:
        ranker: the bundle.
        evaluation: requests with raw features.
        train: the requests that it was trained on.

    Returns:
        None without a request of more than one candidate: nothing is chosen then.
    """
    chosen = _chosen(ranker, evaluation)
    if not chosen:
        return None
    context = len(ranker.features.context)
    usual = train.features[train.offsets[:-1], :context].astype(np.float64).mean(axis=0).astype(np.float32)
    background = load_background(ranker.bundle, usual)
    samples = [_sample(ranker, background, evaluation, index, why) for why, index in chosen.items()]
    return ExplanationMetrics(scanned=min(SCANNED, len(evaluation)), samples=tuple(samples))


def example_request(lists: RankingLists) -> int:
    """The request that the report shows: the first with a click, or the very first."""
    clicked = lists.clicks if lists.clicks is not None else np.zeros(len(lists.item_ids))
    with_click = np.bincount(lists.list_index, weights=clicked, minlength=len(lists))
    return int(np.argmax(with_click > 0))


def _chosen(ranker: SlateRanker, lists: RankingLists) -> dict[Chosen, int]:
    sizes = lists.list_sizes
    if len(lists) == 0 or sizes.max() == 1:
        return {}
    chosen: dict[Chosen, int] = {"example": example_request(lists)}
    # Each request is shown once.
    others = [index for index in range(min(SCANNED, len(lists))) if sizes[index] > 1 and index != chosen["example"]]
    moves = {index: _moves(ranker.rank(query_of(ranker, lists, index, SLATE_SIZE))) for index in others}
    furthest = max(others, key=lambda index: moves[index].max(), default=None)
    if furthest is not None and moves[furthest].max() > 0:
        chosen["furthest"] = furthest
        others.remove(furthest)
    if others:
        totals = np.array([moves[index].sum() for index in others])
        chosen["typical"] = others[int(np.argmin(np.abs(totals - np.median(totals))))]
    return chosen


def _moves(slate: Slate) -> NDArray[np.int64]:
    """How many places every item of the slate stands from its base rank."""
    return np.abs(slate.base_ranks[list(slate.order)] - np.arange(len(slate.order)))


def _sample(
    ranker: SlateRanker, background: Background, lists: RankingLists, index: int, chosen: Chosen
) -> ExplainedSample:
    query = query_of(ranker, lists, index, SLATE_SIZE)
    slate = ranker.rank(query)
    moves = _moves(slate)
    # The item that moved furthest is shown wherever it stands.
    shown = sorted({int(np.argmax(moves)), *range(min(MOST_ITEMS, len(moves)))})
    if len(shown) > MOST_ITEMS:
        del shown[MOST_ITEMS - 1]
    rows = [slate.order[place] for place in shown]
    items = [
        ExplainedItem(
            place=place + 1,
            item_id=query.item_ids[item.row],
            base_rank=int(slate.base_ranks[item.row]) + 1,
            **described(item, query, ranker.features.names, MOST_FEATURES),
        )
        for place, item in zip(shown, explain(ranker, background, query, slate, rows, MOST_EFFECTS), strict=True)
    ]
    return ExplainedSample(request_id=query.request_id, chosen=chosen, items=tuple(items))
