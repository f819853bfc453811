"""One process of the service: its models, its queue and its servers, put together from the configuration."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from serving.batching import Batcher
from serving.config import ServiceConfig
from serving.events import EventLog, EventLogError
from serving.features import FeatureStore
from serving.models import ModelStore
from serving.models.loading import LoadedModel
from serving.proto.seriatim.v1 import (
    events_pb2,
    events_pb2_grpc,
    images_pb2,
    images_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    ranking_pb2,
    ranking_pb2_grpc,
)
from serving.rpc.events import EventServicer
from serving.rpc.models import ModelServicer
from serving.rpc.no_images import NoImagesServicer
from serving.rpc.ranking import RankingServicer
from serving.security import AuthenticationInterceptor, TokenFile, server_credentials
from serving.security.options import server_options
from serving.server import GrpcServer, Register

if TYPE_CHECKING:
    from serving.images import CascadeRuntime

EVENTS = events_pb2.DESCRIPTOR.services_by_name["EventService"].full_name
IMAGES = images_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name
MODELS = models_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name
RANKING = ranking_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name
logger = logging.getLogger(__name__)


class Service:
    """Made, started and stopped in one event loop.

    Args:
        config: of the whole service.
        port: of gRPC, in place of the configured one.
        share_port: whether other processes listen on it too.
    """

    def __init__(self, config: ServiceConfig, port: int | None = None, share_port: bool = False) -> None:
        self.config = config
        self._rotating: asyncio.Task[None] | None = None
        self.shared_features: FeatureStore | None = None
        if config.features.store == "redis":
            from serving.features.redis_store import RedisStore

            settings = config.features
            self.shared_features = RedisStore(settings.redis_url, settings.redis_prefix, settings.timeout_ms)
        self.models = model_store(config, self._require_features)
        events = config.events
        self.events = (
            None
            if events.folder is None
            else EventLog(events.folder, events.rotate_bytes, events.rotate_seconds, events.durability == "disk")
        )
        self.batcher = Batcher(config.limits.queue_ms / 1000, config.limits.batch_requests)
        self.cascade: CascadeRuntime | None = None
        if config.images.cascade is not None:
            from serving.images import load_cascade

            self.cascade = load_cascade(config.images.cascade, config.images)
        tokens = config.listen.tokens
        interceptors = [] if tokens is None else [AuthenticationInterceptor(TokenFile(tokens))]
        self.server = GrpcServer(
            self._services(),
            host=config.listen.host,
            port=config.listen.port if port is None else port,
            options=server_options(config.limits),
            interceptors=interceptors,
            credentials=server_credentials(config.listen),
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
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.models.start)
        port = await self.server.start()
        await self.server.set_serving(True)
        self._rotating = asyncio.create_task(self._rotate_events())
        return port

    async def stop(self) -> None:
        """Finish the calls in flight and let go of everything."""
        await self.server.stop(self.config.listen.grace_seconds)
        if self._rotating is not None:
            self._rotating.cancel()
        if self.cascade is not None:
            await self.cascade.close()
        if self.events is not None:
            await asyncio.to_thread(self.events.close)
        await asyncio.to_thread(self.models.close)
        if self.shared_features is not None:
            await self.shared_features.close()

    def _require_features(self, model: LoadedModel) -> None:
        """Refuse a bundle that reads what the shared store lacks; asked in the thread that loads bundles."""
        if self.shared_features is not None and model.features is None:
            check = self.shared_features.check(model.ranker.features)
            asyncio.run_coroutine_threadsafe(check, self._loop).result()

    async def _rotate_events(self) -> None:
        """Close the event log's file when it is old, also while nothing happens."""
        while self.events is not None:
            await asyncio.sleep(min(10.0, self.config.events.rotate_seconds))
            try:
                await asyncio.to_thread(self.events.rotate_if_due)
            except EventLogError as error:
                logger.error("%s", error)

    def _services(self) -> dict[str, Register]:
        events = self.events if self.config.events.impressions else None
        ranking = RankingServicer(
            self.models, self.batcher, self.config.limits, self.config.exploration, events, self.shared_features
        )
        models = ModelServicer(self.models)
        images: images_pb2_grpc.ImageServiceServicer = NoImagesServicer()
        if self.cascade is not None:
            from serving.rpc.images import ImageServicer

            images = ImageServicer(self.cascade)
        return {
            RANKING: _adding(ranking_pb2_grpc.add_RankingServiceServicer_to_server, ranking),
            EVENTS: _adding(events_pb2_grpc.add_EventServiceServicer_to_server, EventServicer(self.events)),
            IMAGES: _adding(images_pb2_grpc.add_ImageServiceServicer_to_server, images),
            MODELS: _adding(models_pb2_grpc.add_ModelServiceServicer_to_server, models),
        }


def model_store(config: ServiceConfig, accept: Callable[[LoadedModel], None] | None = None) -> ModelStore:
    """The store of the configured folder, or of the one bundle; `accept` may make a version wait."""
    models, own_features = config.models, config.features.store == "lmdb"
    if models.bundle is None:
        return ModelStore(models.root, models.poll_seconds, item_features=own_features, accept=accept)
    folder = models.bundle.resolve()
    return ModelStore(folder.parent, only=folder.name, item_features=own_features, accept=accept)


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
        # What is loaded stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        ready(service)
        await stopping.wait()
    finally:
        await service.stop()


def _adding(add: Callable[[Any, Any], None], servicer: Any) -> Register:
    return lambda server: add(servicer, server)
