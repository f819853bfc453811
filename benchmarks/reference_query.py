"""The reference request of the serving benchmarks: 100 candidates, of which 10 are placed."""

from __future__ import annotations

import numpy as np

from serving.bundle import Bundle
from serving.runtime import SlateQuery

CANDIDATES, SLATE_SIZE = 100, 10


def reference_query(bundle: Bundle) -> SlateQuery:
    """A request of random features: the sizes are what matters."""
    rng = np.random.default_rng(0)
    features = bundle.manifest.features
    return SlateQuery(
        request_id="benchmark",
        item_ids=tuple(f"item-{index}" for index in range(CANDIDATES)),
        context=rng.normal(size=len(features.context)).astype(np.float32),
        features=rng.normal(size=(CANDIDATES, len(features.item))).astype(np.float32),
        slate_size=SLATE_SIZE,
    )
