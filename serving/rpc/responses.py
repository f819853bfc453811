"""A slate of the runtime as a RankSlate answer."""

from __future__ import annotations

import numpy as np

from serving.proto.seriatim.v1 import ranking_pb2
from serving.runtime.labeller import Labeller
from serving.runtime.query import Decoding, Slate

DECODINGS = {
    Decoding.FULL: ranking_pb2.DECODING_FULL,
    Decoding.ONE_STEP: ranking_pb2.DECODING_ONE_STEP,
    Decoding.BASE: ranking_pb2.DECODING_BASE,
}


def response_of(
    request: ranking_pb2.RankSlateRequest,
    slate: Slate,
    labeller: Labeller | None,
    unknown_items: int = 0,
    logged: bool = False,
) -> ranking_pb2.RankSlateResponse:
    """The answer to `request`."""
    response = ranking_pb2.RankSlateResponse(
        request_id=request.request_id,
        bundle_version=slate.version,
        decoding=DECODINGS[slate.decoding],
        policy=slate.policy,
        unknown_items=unknown_items,
        logged=logged,
    )
    if slate.propensity is not None:
        response.propensity = slate.propensity
    for place, (row, probability) in enumerate(zip(slate.order, slate.probabilities, strict=True)):
        item = response.items.add(
            item_id=request.item_ids[row],
            base_score=slate.base_scores[row],
            passed_gate=bool(slate.passed[row]),
        )
        if slate.gate_scores is not None:
            item.gate_score = slate.gate_scores[row]
        if not np.isnan(probability):
            item.probability = probability
        if labeller is not None and slate.labels is not None:
            for name, value in labeller.named(slate.labels[place]):
                item.labels.add(name=name, value=value)
    return response
