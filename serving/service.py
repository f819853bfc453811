"""One process of the service: its models, its queue and its servers, put together from the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serving.batching import Batcher
from serving.bundle import newest_bundle, open_bundle, self_test
from serving.config import ServiceConfig
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.ranking import RankingServicer
from serving.runtime import SlateRanker
from serving.server import GrpcServer, Register

RANKING = ranking_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name


@dataclass(frozen=True)
class OneBundle:
    """One bundle for all requests."""

    ranker: SlateRanker

    def choose(self, request_id: str, pinned: str = "") -> OneBundle:
        """Itself."""
        return self

    def shadow(self, request_id: str) -> None:
        """Nothing."""


class Service:
    """Made, started and stopped in one event loop.

    Args:
        config: of the whole service.
        port: of gRPC, in place of the configured one.
        share_port: whether other processes listen on it too.
    """

    def __init__(self, config: ServiceConfig, port: int | None = None, share_port: bool = False) -> None:
        self.config = config
        opened = open_bundle(config.models.bundle) if config.models.bundle else newest_bundle(config.models.root)
        ranker = SlateRanker(opened)
        self_test(ranker, opened.golden())
        self.models = OneBundle(ranker)
        self.batcher = Batcher(config.limits.queue_ms / 1000, config.limits.batch_requests)
        self.server = GrpcServer(
            self._services(),
            host=config.listen.host,
            port=config.listen.port if port is None else port,
            options=[("grpc.max_receive_message_length", config.limits.message_bytes)],
            share_port=share_port,
            concurrent_calls=config.limits.concurrent_calls,
        )

    async def start(self) -> int:
        """Bind and serve.

        Returns:
            The port of gRPC.

        Raises:
            SeriatimError: something that the configuration asks for cannot be had.
        """
        port = await self.server.start()
        await self.server.set_serving(True)
        return port

    async def stop(self) -> None:
        """Finish the calls in flight and let go of everything."""
        await self.server.stop(self.config.listen.grace_seconds)

    def _services(self) -> dict[str, Register]:
        ranking = RankingServicer(self.models, self.batcher, self.config.limits)
        return {RANKING: _adding(ranking_pb2_grpc.add_RankingServiceServicer_to_server, ranking)}


async def run_service(
    config: ServiceConfig,
    stopping: asyncio.Event,
    ready: Callable[[Service], None],
    port: int | None = None,
    share_port: bool = False,
) -> None:
    """Serve until `stopping` is set; `ready` is called when the service takes traffic.

    Raises:
        SeriatimError: the service cannot start.
    """
    service = Service(config, port, share_port)
    try:
        await service.start()
        ready(service)
        await stopping.wait()
    finally:
        await service.stop()


def _adding(add: Callable[[Any, Any], None], servicer: Any) -> Register:
    return lambda server: add(servicer, server)
