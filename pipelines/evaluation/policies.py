"""The rankings that are compared: how each policy would order the evaluation requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from serving.runtime.ranker import SlateQuery, SlateRanker

TITLES = {
    "logged": "Order as logged",
    "base": "Base ranker (LambdaMART)",
    "lambdamart_clicks": "LambdaMART trained on the clicks",
    "gate": "Gate score alone",
    "seq2slate": "seq2slate, greedy",
    "seq2slate_one_step": "seq2slate, one step",
    "served": "As served (all stages)",
    "baseline": "Bundle in service",
}


@dataclass(frozen=True)
class PolicyRanking:
    """One policy's ranking of every list: float `[items]`, the higher the earlier."""

    policy: str
    scores: NDArray[np.floating]

    @property
    def title(self) -> str:
        """The policy's name for readers."""
        return TITLES[self.policy]


def served_ranking(ranker: SlateRanker, lists: RankingLists, slate_size: int) -> NDArray[np.float64]:
    """What the service would show: the slate of every request, then the other candidates in base order.

    Runs the bundle in the serving runtime, one request at a time, just as traffic would.
    """
    context = len(ranker.bundle.manifest.features.context)
    scores = np.empty(lists.offsets[-1], np.float64)
    for index, request_id in enumerate(lists.request_ids):
        rows = slice(lists.offsets[index], lists.offsets[index + 1])
        features = lists.features[rows]
        slate = ranker.rank(
            SlateQuery(
                request_id=str(request_id),
                item_ids=tuple(map(str, lists.item_ids[rows])),
                context=features[0, :context],
                features=features[:, context:],
                slate_size=min(slate_size, len(features)),
            )
        )
        scores[rows] = -np.asarray(slate.ranks, np.float64)
    return scores
