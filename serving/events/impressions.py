"""A slate that the service returned, as the event that it was shown."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from serving.events.records import FeatureNames, Shown
from serving.runtime.query import Slate, SlateQuery


def impression(
    query: SlateQuery, slate: Slate, names: FeatureNames, time: int, user_id: str, unknown_items: int
) -> Shown:
    """The event of a slate, with the features as they were ranked.

    Its id follows from the request's, so that a request that is sent again counts once.

    Args:
        query, slate: what was asked and answered.
        names: of the query's features.
        time: microseconds since 1970, UTC.
        user_id: may be empty.
        unknown_items: candidates that were ranked with default features.
    """
    return Shown(
        event_id=f"slate:{query.request_id}",
        time=time,
        request_id=query.request_id,
        item_ids=tuple(query.item_ids[row] for row in slate.order),
        positions=tuple(range(1, len(slate.order) + 1)),
        propensities=tuple(None if np.isnan(value) else value for value in slate.probabilities.tolist()),
        names=names,
        context=query.context,
        features=query.features[list(slate.order)],
        user_id=user_id,
        bundle_version=slate.version,
        policy=slate.policy,
        decoding=slate.decoding.value,
        slate_propensity=slate.propensity,
        unknown_items=unknown_items,
    )


@lru_cache(maxsize=16)
def names_of(context: tuple[str, ...], item: tuple[str, ...]) -> FeatureNames:
    """The names, made once for each bundle."""
    return FeatureNames(context, item)
