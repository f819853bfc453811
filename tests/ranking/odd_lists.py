"""Lists that a careful program must expect (constant, empty, of one item, with equal ids) and who clicks on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ranking.click_models import Cascade, DiverseClicks, PositionBased, SimilarClicks
from ranking.lists import RankingLists
from tests.ranking.generated_lists import learnable_lists


def with_empty_lists(lists: RankingLists) -> RankingLists:
    """The same items, with an empty list before and after every list."""
    offsets = np.repeat(lists.offsets, 2)
    return replace(lists, request_ids=np.array([f"r{i}" for i in range(len(offsets) - 1)], object), offsets=offsets)


LISTS = learnable_lists(40, seed=0)
ITEMS = len(LISTS.item_ids)
CLICKS = LISTS.clicks if LISTS.clicks is not None else np.zeros(ITEMS, np.float32)

CONSTANT = LISTS.with_features(np.ones_like(LISTS.features))
SILENT = LISTS.with_clicks(np.zeros(ITEMS, np.float32))
ALL_CLICKED = LISTS.with_clicks(np.ones(ITEMS, np.float32))
EMPTY_AMONG = with_empty_lists(LISTS)
NOTHING = LISTS.select([])
SINGLES = LISTS.top(1)
DUPLICATES = replace(LISTS, item_ids=np.full(ITEMS, "same", object))
NO_FEATURES = replace(LISTS, features=LISTS.features[:, :0], feature_names=())
NO_WEIGHT = replace(LISTS, weights=np.zeros(ITEMS, np.float32))

ODD = {
    "constant": CONSTANT,
    "empty among": EMPTY_AMONG,
    "nothing": NOTHING,
    "single": SINGLES,
    "duplicates": DUPLICATES,
    "silent": SILENT,
}

CLICK_MODELS = {
    "cascade": Cascade(0.3),
    "position-based": PositionBased((0.9, 0.5)),
    "diverse": DiverseClicks(Cascade(0.1)),
    "similar": SimilarClicks(Cascade(0.1)),
}


def clicks_of(model: Any, lists: RankingLists, relevance: float | np.ndarray = 0.5) -> np.ndarray:
    """Seeded clicks of `model`, each item as relevant as the next unless told otherwise."""
    filled = np.broadcast_to(relevance, (len(lists.item_ids),))
    return model.clicks(lists, filled, np.random.default_rng(0))
