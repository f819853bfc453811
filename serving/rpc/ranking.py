"""RankingService: slates over gRPC."""

from __future__ import annotations

import grpc
from grpc_status import rpc_status

from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.errors import bad_request
from serving.rpc.requests import query_of
from serving.rpc.responses import response_of
from serving.runtime.query import InvalidRequestError
from serving.runtime.ranker import SlateRanker


class RankingServicer(ranking_pb2_grpc.RankingServiceServicer):
    """Answers RankSlate with one bundle.

    Ranking takes about a millisecond and holds the interpreter for most of it, so that it runs in the event
    loop: handing it to a thread costs more than it frees.
    """

    def __init__(self, ranker: SlateRanker) -> None:
        self._ranker = ranker

    async def RankSlate(  # noqa: N802  (the name is the protocol's)
        self, request: ranking_pb2.RankSlateRequest, context: grpc.aio.ServicerContext
    ) -> ranking_pb2.RankSlateResponse:
        """Rank one request; a request that breaks the contract ends with INVALID_ARGUMENT and its field."""
        try:
            query = query_of(request, self._ranker)
            slate = self._ranker.rank(query)
        except InvalidRequestError as error:
            status = rpc_status.to_status(bad_request(error))
            await context.abort(status.code, status.details, status.trailing_metadata)
        return response_of(request, slate, self._ranker.labeller)
