"""What the explorer's page shows, as JSON: versions, golden requests, and a slate with all its candidates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from serving.bundle import open_bundle
from serving.models import ModelStore
from serving.models.loading import LoadedModel
from serving.runtime.labeller import Labeller
from serving.runtime.query import Slate, SlateQuery

MOST_REQUESTS = 20


def listed(models: ModelStore) -> dict[str, Any]:
    """All versions, oldest first, with what became of them, and the traffic rules."""
    traffic, stable = models.traffic, models.stable.version
    return {
        "stable": stable,
        "canary": {"version": traffic.canary, "share": traffic.canary_share},
        "shadow": {"version": traffic.shadow, "share": traffic.shadow_share},
        "versions": [
            {
                "version": status.version,
                "state": status.state.value,
                "refusal": status.refusal,
                "requests": status.requests,
                "created": "" if status.manifest is None else status.manifest.created,
                "metrics": {} if status.manifest is None else dict(status.manifest.metrics),
            }
            for status in models.statuses()
        ],
    }


def golden_requests(model: LoadedModel) -> list[dict[str, Any]]:
    """The bundle's first golden requests, as `seriatim rank` reads them from a file.

    Raises:
        BundleError: the bundle's files were changed since it was loaded.
    """
    golden = open_bundle(model.ranker.bundle.folder).golden()
    queries = [model.ranker.golden_query(golden, index) for index in range(min(MOST_REQUESTS, len(golden)))]
    features = model.ranker.features
    return [
        {
            "request_id": query.request_id,
            "item_ids": list(query.item_ids),
            "context_names": list(features.context),
            "context": _rounded(query.context),
            "feature_names": list(features.item),
            "features": [_rounded(row) for row in query.features],
            "slate_size": query.slate_size,
        }
        for query in queries
    ]


def answer_of(query: SlateQuery, slate: Slate, labeller: Labeller | None) -> dict[str, Any]:
    """A slate, and every candidate with what the stages gave it."""
    places = {row: place for place, row in enumerate(slate.order)}
    labels = (
        [{} for _ in slate.order]
        if labeller is None or slate.labels is None
        else map(dict, map(labeller.named, slate.labels))
    )
    return {
        "request_id": query.request_id,
        "version": slate.version,
        "decoding": slate.decoding.value,
        "policy": slate.policy,
        "propensity": slate.propensity,
        "stage_ms": {stage: 1000 * seconds for stage, seconds in slate.stage_seconds.items()},
        "slate": [
            {
                "item_id": query.item_ids[row],
                "probability": None if math.isnan(probability) else float(probability),
                "labels": named,
            }
            for row, probability, named in zip(slate.order, slate.probabilities, labels, strict=True)
        ],
        "candidates": [
            {
                "item_id": item_id,
                "given": row + 1,
                "base_score": float(slate.base_scores[row]),
                "base_rank": int(rank) + 1,
                "gate_score": None if slate.gate_scores is None else float(slate.gate_scores[row]),
                "passed": bool(slate.passed[row]),
                "place": places[row] + 1 if row in places else None,
            }
            for row, (item_id, rank) in enumerate(zip(query.item_ids, slate.base_ranks, strict=True))
        ],
    }


def _rounded(values: np.ndarray) -> list[float]:
    """Float32 values in the fewest digits that read back as the same float32."""
    return [float(str(value)) for value in np.asarray(values, np.float32)]
