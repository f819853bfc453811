"""Queries as messages of RankingService."""

from serving.proto.seriatim.v1 import ranking_pb2


def message_of(query, **changes):
    fields = {
        "request_id": query.request_id,
        "item_ids": query.item_ids,
        "context": ranking_pb2.FeatureVector(values=query.context),
        "features": ranking_pb2.FeatureMatrix(values=query.features.tobytes()),
        "slate_size": query.slate_size,
    }
    return ranking_pb2.RankSlateRequest(**{**fields, **changes})
