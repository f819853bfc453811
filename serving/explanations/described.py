"""An explanation with the names of features and items, as JSON and the report hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.explanations.background import NotExplained
from serving.explanations.contributions import Contributions
from serving.explanations.effects import PlaceOcclusion
from serving.explanations.items import ItemExplanation
from serving.runtime.query import SlateQuery


def described(item: ItemExplanation, query: SlateQuery, names: Sequence[str], most: int) -> dict[str, Any]:
    """`base` and `occlusion`, or None and a `base_reason` or `occlusion_reason`.

    Args:
        item: the explanation.
        query: the request.
        names: of the features, the context's first.
        most: contributions that are named; the sum of the rest is `others`.
    """
    values = [float(value) for value in query.matrix()[item.row]]
    base, occlusion = item.contributions, item.occlusion
    return {
        "base": None if isinstance(base, NotExplained) else _base(base, values, names, most),
        "base_reason": base.reason if isinstance(base, NotExplained) else None,
        "occlusion": None if isinstance(occlusion, NotExplained) else _occlusion(occlusion, values, query, names),
        "occlusion_reason": occlusion.reason if isinstance(occlusion, NotExplained) else None,
    }


def _base(base: Contributions, values: Sequence[float], names: Sequence[str], most: int) -> dict[str, Any]:
    largest = base.largest(most)
    return {
        "score": base.score,
        "expected": base.expected,
        "contributions": [
            {"feature": names[column], "value": values[column], "contribution": float(base.values[column])}
            for column in largest
        ],
        "others": float(np.delete(base.values, largest).sum()),
    }


def _occlusion(
    occlusion: PlaceOcclusion, values: Sequence[float], query: SlateQuery, names: Sequence[str]
) -> dict[str, Any]:
    return {
        # Float32 rounds a probability of 1 to a little more.
        "log_probability": min(0.0, occlusion.log_probability),
        "places_compared": occlusion.places_compared,
        "neighbours": [
            {
                "item_id": query.item_ids[one.row],
                "context": one.context,
                "competition": one.competition,
                "place_with": one.place_with,
                "place_without": one.place_without,
            }
            for one in occlusion.neighbours
        ],
        "features": [
            {
                "feature": names[one.column],
                "value": values[one.column],
                "item": one.item,
                "everywhere": one.everywhere,
                "place_item": one.place_item,
                "place_everywhere": one.place_everywhere,
            }
            for one in occlusion.features
        ],
    }
