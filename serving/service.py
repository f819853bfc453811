"""One process of the service: its models, its queue and its servers, put together from the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from serving.batching import Batcher
from serving.config import ModelsConfig, ServiceConfig
from serving.models import ModelStore
from serving.proto.seriatim.v1 import models_pb2, models_pb2_grpc, ranking_pb2, ranking_pb2_grpc
from serving.rpc.models import ModelServicer
from serving.rpc.ranking import RankingServicer
from serving.server import GrpcServer, Register

MODELS = models_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name
RANKING = ranking_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name


class Service:
    """Made, started and stopped in one event loop.

    Args:
        config: of the whole service.
        port: of gRPC, in place of the configured one.
        share_port: whether other processes listen on it too.
    """

    def __init__(self, config: ServiceConfig, port: int | None = None, share_port: bool = False) -> None:
        self.config = config
        self.models = model_store(config.models)
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
        await asyncio.to_thread(self.models.start)
        port = await self.server.start()
        await self.server.set_serving(True)
        return port

    async def stop(self) -> None:
        """Finish the calls in flight and let go of everything."""
        await self.server.stop(self.config.listen.grace_seconds)
        await asyncio.to_thread(self.models.close)

    def _services(self) -> dict[str, Register]:
        ranking = RankingServicer(self.models, self.batcher, self.config.limits)
        models = ModelServicer(self.models)
        return {
            RANKING: _adding(ranking_pb2_grpc.add_RankingServiceServicer_to_server, ranking),
            MODELS: _adding(models_pb2_grpc.add_ModelServiceServicer_to_server, models),
        }


def model_store(config: ModelsConfig) -> ModelStore:
    """The store of the configured folder, or of the one bundle."""
    if config.bundle is None:
        return ModelStore(config.root, config.poll_seconds)
    folder = config.bundle.resolve()
    return ModelStore(folder.parent, only=folder.name)


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
