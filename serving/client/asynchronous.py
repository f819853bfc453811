"""The client for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import grpc
from numpy.typing import ArrayLike

from serving.client.calls import (
    Call,
    Recorded,
    list_call,
    rank_call,
    rank_many_call,
    record_call,
    score_call,
    traffic_call,
)
from serving.client.connection import Tls, connection_of
from serving.client.errors import BusyError, RefusedError, error_of
from serving.client.messages import RankedSlate, RankRequest, ScoredImage, batches_of
from serving.client.retries import Retries
from serving.events.records import Event
from serving.proto.seriatim.v1 import models_pb2

Answer = TypeVar("Answer")


class AsyncRankingClient:
    """`RankingClient` for asyncio; made and used in one event loop.

    With `hedge_after`, a slate that is not there after so many seconds is asked for a second time over a connection of
    its own, and the first answer counts: set to what 95 of 100 calls take, it cuts the slowest for a twentieth more
    load. The other call is cancelled, and `hedged` counts.

    Args:
        target, timeout, tls, token, retries, compression: as for `RankingClient`.
        hedge_after: seconds; None asks once.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        timeout: float = 5.0,
        tls: Tls | None = None,
        token: str | None = None,
        retries: bool = True,
        compression: bool = False,
        hedge_after: float | None = None,
    ) -> None:
        self._connection = connection_of(target, tls, token, retries, compression)
        self.target, self.timeout, self.hedge_after = self._connection.target, timeout, hedge_after
        self.hedged = 0
        self._channels = [self._channel() for _ in range(1 if hedge_after is None else 2)]

    async def rank(
        self,
        request_id: str,
        item_ids: Sequence[str],
        features: ArrayLike | None,
        slate_size: int,
        context: ArrayLike = (),
        feature_names: Sequence[str] = (),
        context_names: Sequence[str] = (),
        temperature: float | None = None,
        bundle_version: str = "",
        user_id: str = "",
        timeout: float | None = None,
    ) -> RankedSlate:
        """`RankingClient.rank`, hedged where that is wanted."""
        request = RankRequest(
            request_id,
            item_ids,
            features,
            slate_size,
            context,
            feature_names,
            context_names,
            temperature,
            bundle_version,
            user_id,
        )
        call = rank_call(request)
        if self.hedge_after is None:
            return await self._ask(call, timeout)
        return await self._hedged(call, timeout, self.hedge_after)

    async def rank_many(
        self, requests: Sequence[RankRequest], timeout: float | None = None
    ) -> list[RankedSlate | RefusedError]:
        """`RankingClient.rank_many`."""
        answers: list[RankedSlate | RefusedError] = []
        for batch in batches_of(requests):
            answers += await self._ask_many(batch, timeout)
        return answers

    async def record_events(self, events: Sequence[Event], timeout: float | None = None) -> Recorded:
        """`RankingClient.record_events`."""
        return await self._ask(record_call(events), timeout)

    async def score_images(self, images: Mapping[str, bytes], timeout: float | None = None) -> list[ScoredImage]:
        """`RankingClient.score_images`."""
        return await self._ask(score_call(images), timeout)

    async def list_models(self, timeout: float | None = None) -> models_pb2.ListModelsResponse:
        """`RankingClient.list_models`."""
        return await self._ask(list_call(), timeout)

    async def set_traffic(self, traffic: models_pb2.Traffic, timeout: float | None = None) -> models_pb2.Traffic:
        """`RankingClient.set_traffic`."""
        return await self._ask(traffic_call(traffic), timeout)

    async def roll_back(self, timeout: float | None = None) -> models_pb2.Traffic:
        """`RankingClient.roll_back`."""
        return await self._ask(traffic_call(None), timeout)

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()

    def _channel(self) -> grpc.aio.Channel:
        connection = self._connection
        # A pool of its own gives each channel a connection of its own, and with it, behind a shared port, its process.
        options = [*connection.options, ("grpc.use_local_subchannel_pool", 1)]
        if connection.tls is None:
            return grpc.aio.insecure_channel(self.target, options, connection.gzip)
        return grpc.aio.secure_channel(self.target, connection.tls.credentials(), options, connection.gzip)

    async def _ask_many(self, batch: Sequence[RankRequest], timeout: float | None) -> list[RankedSlate | RefusedError]:
        """One call, and more for those of its requests that the service was too busy for."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (self.timeout if timeout is None else timeout)
        retries = Retries(self._connection.retries)
        answers = await self._ask(rank_many_call(batch, self.target), timeout)
        while True:
            busy = [place for place, answer in enumerate(answers) if isinstance(answer, BusyError)]
            pauses = [retries.pause_after(answers[place], end - loop.time()) for place in busy]  # type: ignore[arg-type]
            if not busy or None in pauses:
                return answers
            await asyncio.sleep(max(filter(None, pauses), default=0))
            call = rank_many_call([batch[place] for place in busy], self.target)
            again = await self._ask(call, end - loop.time())
            for place, answer in zip(busy, again, strict=True):
                answers[place] = answer

    async def _hedged(self, call: Call[Answer], timeout: float | None, after: float) -> Answer:
        calls = {asyncio.ensure_future(self._ask(call, timeout))}
        try:
            done, _ = await asyncio.wait(calls, timeout=after)
            if not done:
                self.hedged += 1
                calls.add(asyncio.ensure_future(self._ask(call, timeout, channel=1)))
            while True:
                done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                answered = [one for one in done if one.exception() is None]
                if answered or not waiting:
                    return (answered or list(done))[0].result()
                calls = waiting
        finally:
            for one in calls:
                one.cancel()

    async def _ask(self, call: Call[Answer], timeout: float | None, channel: int = 0) -> Answer:
        method: Any = self._channels[channel].unary_unary(
            call.method,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.response.FromString,
        )
        loop = asyncio.get_running_loop()
        end = loop.time() + (self.timeout if timeout is None else timeout)
        retries = Retries(self._connection.retries)
        while True:
            try:
                remaining = max(0.0, end - loop.time())
                return call.read(await method(call.request, timeout=remaining, metadata=self._connection.metadata))
            except grpc.aio.AioRpcError as error:
                named = error_of(error, self.target)
            pause = retries.pause_after(named, end - loop.time())
            if pause is None:
                raise named
            await asyncio.sleep(pause)

    async def __aenter__(self) -> AsyncRankingClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
