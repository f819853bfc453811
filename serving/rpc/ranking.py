"""RankingService: slates over gRPC."""

from __future__ import annotations

import asyncio
from typing import Protocol

import grpc
from grpc_status import rpc_status

from serving.batching import Batcher
from serving.config import LimitsConfig
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.errors import status_of
from serving.rpc.requests import query_of
from serving.rpc.responses import response_of
from serving.runtime.query import InvalidRequestError
from serving.runtime.ranker import SlateRanker

MOST_REQUESTS, MOST_CANDIDATES = 64, 4000


class Model(Protocol):
    """A bundle in service."""

    @property
    def ranker(self) -> SlateRanker:
        """What ranks with it."""
        ...


class Models(Protocol):
    """Which bundle ranks a request."""

    def choose(self, request_id: str, pinned: str = "") -> Model:
        """The bundle for a request, the same for all of its stages."""
        ...

    def shadow(self, request_id: str) -> Model | None:
        """The bundle that ranks a copy of it, unseen."""
        ...


class RankingServicer(ranking_pb2_grpc.RankingServiceServicer):
    """Answers RankSlate and RankSlates.

    Args:
        models: which bundle ranks what.
        batcher: the queue before the models.
        limits: what a request may hold.
    """

    def __init__(self, models: Models, batcher: Batcher, limits: LimitsConfig) -> None:
        self._models, self._batcher, self._limits = models, batcher, limits

    async def RankSlate(  # noqa: N802  (the name is the protocol's)
        self, request: ranking_pb2.RankSlateRequest, context: grpc.aio.ServicerContext
    ) -> ranking_pb2.RankSlateResponse:
        """Rank one request."""
        try:
            return await self._rank(request, context.time_remaining())
        except Exception as error:
            await _abort(context, error)
            raise

    async def RankSlates(  # noqa: N802  (the name is the protocol's)
        self, request: ranking_pb2.RankSlatesRequest, context: grpc.aio.ServicerContext
    ) -> ranking_pb2.RankSlatesResponse:
        """Rank several requests, each by itself."""
        try:
            _require_moderate(request)
        except InvalidRequestError as error:
            await _abort(context, error)
        remaining = context.time_remaining()
        answers = await asyncio.gather(
            *(self._rank(one, remaining) for one in request.requests), return_exceptions=True
        )
        response = ranking_pb2.RankSlatesResponse()
        for answer in answers:
            if isinstance(answer, ranking_pb2.RankSlateResponse):
                response.results.add(slate=answer)
            elif isinstance(answer, Exception):
                response.results.add(error=status_of(answer))
            else:
                raise answer
        return response

    async def _rank(
        self, request: ranking_pb2.RankSlateRequest, remaining: float | None
    ) -> ranking_pb2.RankSlateResponse:
        ranker = self._models.choose(request.request_id, request.bundle_version).ranker
        query = query_of(request, ranker, self._limits.candidates)
        slate = await self._batcher.rank(ranker, query, remaining)
        self._shadow(request)
        return response_of(request, slate, ranker.labeller)

    def _shadow(self, request: ranking_pb2.RankSlateRequest) -> None:
        """Let another bundle rank a copy; what it cannot read is its own loss."""
        model = self._models.shadow(request.request_id)
        if model is None:
            return
        try:
            self._batcher.shadow(model.ranker, query_of(request, model.ranker, self._limits.candidates))
        except InvalidRequestError:
            return


def _require_moderate(request: ranking_pb2.RankSlatesRequest) -> None:
    if len(request.requests) > MOST_REQUESTS:
        raise InvalidRequestError(
            "requests", f"{len(request.requests)} requests; give at most {MOST_REQUESTS} in a call"
        )
    candidates = sum(len(one.item_ids) for one in request.requests)
    if candidates > MOST_CANDIDATES:
        raise InvalidRequestError(
            "requests", f"{candidates} candidates together; give at most {MOST_CANDIDATES} in a call"
        )


async def _abort(context: grpc.aio.ServicerContext, error: Exception) -> None:
    status = rpc_status.to_status(status_of(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
