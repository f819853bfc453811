"""RankingService: slates over gRPC."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

import grpc
from grpc_status import rpc_status

from serving.batching import Batcher
from serving.batching.refusals import DeadlinePassedError, OverloadedError
from serving.bundle.manifest import Features
from serving.config import ExplorationConfig, LimitsConfig
from serving.events import EventLog, EventLogError
from serving.events.impressions import impression, names_of
from serving.exploration import explored
from serving.features import FeatureStore
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.errors import status_of
from serving.rpc.observer import NoObserver, Observer
from serving.rpc.requests import query_of
from serving.rpc.responses import response_of
from serving.runtime.query import InvalidRequestError, Slate, SlateQuery, require_candidates
from serving.runtime.ranker import SlateRanker

logger = logging.getLogger(__name__)
MOST_REQUESTS, MOST_CANDIDATES = 64, 4000


class Model(Protocol):
    """A bundle in service."""

    @property
    def ranker(self) -> SlateRanker:
        """What ranks with it."""

    @property
    def features(self) -> FeatureStore | None:
        """Its own features of items."""


class Models(Protocol):
    """Which bundle ranks a request."""

    def choose(self, request_id: str, pinned: str = "") -> Model:
        """The bundle for a request, the same for all of its stages."""

    def shadow(self, request_id: str) -> Model | None:
        """The bundle that ranks a copy of it, unseen."""


class RankingServicer(ranking_pb2_grpc.RankingServiceServicer):
    """Answers RankSlate and RankSlates.

    Args:
        models: which bundle ranks what.
        batcher: the queue before the models.
        limits: what a request may hold.
        exploration: how a share of the traffic explores.
        events: log of every slate; None: none.
        shared_features: where items are looked up that a request names without features, unless the bundle has its own.
        observer: told of what a status does not show.
    """

    def __init__(
        self,
        models: Models,
        batcher: Batcher,
        limits: LimitsConfig,
        exploration: ExplorationConfig,
        events: EventLog | None = None,
        shared_features: FeatureStore | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._models, self._batcher, self._limits = models, batcher, limits
        self._exploration, self._events, self._shared_features = exploration, events, shared_features
        self._observer: Observer = observer if observer is not None else NoObserver()
        self._shadowing: set[asyncio.Task[None]] = set()

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
        model = self._models.choose(request.request_id, request.bundle_version)
        query, unknown = await self._query(request, model)
        query = explored(query, self._exploration)
        try:
            slate = await self._batcher.rank(model.ranker, query, remaining)
        except OverloadedError:
            self._observer.shed("queue")
            raise
        except DeadlinePassedError:
            self._observer.shed("deadline")
            raise
        self._observer.ranked(slate)
        logged = self._events is not None and await self._log(request, query, slate, model.ranker.features, unknown)
        shadow = self._models.shadow(request.request_id)
        if shadow is not None:
            # The caller waits neither for it nor for what it looks up.
            task = asyncio.ensure_future(self._shadow(request, shadow))
            self._shadowing.add(task)
            task.add_done_callback(self._shadowing.discard)
        return response_of(request, slate, model.ranker.labeller, unknown, logged)

    async def _log(
        self, request: ranking_pb2.RankSlateRequest, query: SlateQuery, slate: Slate, features: Features, unknown: int
    ) -> bool:
        """Write the impressions; a log that fails costs no slate."""
        assert self._events is not None
        names = names_of(features.context, features.item)
        event = impression(query, slate, names, time.time_ns() // 1000, request.user_id, unknown)
        try:
            if self._events.to_disk:
                await asyncio.to_thread(self._events.append, [event])
            else:
                self._events.append([event])
        except EventLogError as error:
            logger.error("%s", error)
            self._observer.events("failed", 1)
            return False
        self._observer.events("recorded", 1)
        return True

    async def _query(self, request: ranking_pb2.RankSlateRequest, model: Model) -> tuple[SlateQuery, int]:
        """The request for one bundle, and how many of its items no store knew."""
        if request.HasField("features"):
            return query_of(request, model.ranker, self._limits.candidates), 0
        require_candidates(request.item_ids, self._limits.candidates)
        store = model.features if model.features is not None else self._shared_features
        if store is None:
            raise InvalidRequestError(
                "features", "absent, and this service has no feature store; send features, or set features.store"
            )
        found = await store.lookup(request.item_ids, model.ranker.features)
        query = query_of(request, model.ranker, self._limits.candidates, found.matrix)
        unknown = int((~found.known).sum())
        self._observer.looked_up(len(request.item_ids), unknown, store.available)
        return query, unknown

    async def _shadow(self, request: ranking_pb2.RankSlateRequest, model: Model) -> None:
        """Let another bundle rank a copy; what it cannot read is its own loss."""
        try:
            query, _ = await self._query(request, model)
        except InvalidRequestError:
            return
        self._batcher.shadow(model.ranker, query)


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
