"""One process of the service: its models, its queue and its servers, put together from the configuration."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serving.batching import Batcher
from serving.config import ServiceConfig
from serving.events import EventLog, EventLogError
from serving.features import FeatureStore
from serving.models import ModelStore
from serving.models.loading import LoadedModel
from serving.monitoring.process import Monitoring
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
from serving.rpc.call_limit import CallLimit
from serving.rpc.events import EventServicer
from serving.rpc.models import ModelServicer
from serving.rpc.no_images import NoImagesServicer
from serving.rpc.ranking import RankingServicer
from serving.security import AuthenticationInterceptor, TokenFile, server_credentials
from serving.security.options import server_options
from serving.server import GrpcServer, Register
from serving.shared_ports import SharedPorts

if TYPE_CHECKING:
    from aiohttp import web

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
        ports: in place of the configured ones, where other processes listen on them too.
    """

    def __init__(self, config: ServiceConfig, ports: SharedPorts | None = None) -> None:
        self.config, self._serving, self._stopping = config, False, False
        self.monitoring = Monitoring(
            config.monitoring, self._not_ready, self._score_deciles, lambda: self.batcher.waiting, ports
        )
        self._watching: list[asyncio.Task[None]] = []
        self.shared_features: FeatureStore | None = None
        if config.features.store == "redis":
            from serving.features.redis_store import RedisStore

            settings = config.features
            self.shared_features = RedisStore(settings.redis_url, settings.redis_prefix, settings.timeout_ms)
        self.models = model_store(config, self._require_features, self.monitoring.in_service)
        events = config.events
        self.events = (
            None
            if events.folder is None
            else EventLog(events.folder, events.rotate_bytes, events.rotate_seconds, events.durability == "disk")
        )
        limits = config.limits
        self.batcher = Batcher(limits.queue_ms / 1000, limits.batch_requests, observe=self.monitoring.batch)
        self.cascade: CascadeRuntime | None = None
        if config.images.cascade is not None:
            from serving.images import load_cascade

            self.cascade = load_cascade(config.images.cascade, config.images, self.monitoring.cascade)
        self._tokens = None if config.listen.tokens is None else TokenFile(config.listen.tokens)
        interceptors = [] if self._tokens is None else [AuthenticationInterceptor(self._tokens)]
        self.server = GrpcServer(
            self._services(),
            host=config.listen.host,
            port=config.listen.port if ports is None else ports.grpc,
            options=server_options(limits),
            interceptors=interceptors,
            credentials=server_credentials(config.listen),
            share_port=ports is not None,
            inner_wraps=[CallLimit(limits.concurrent_calls, self.monitoring.observer).wrap],
            outer_wraps=self.monitoring.wraps,
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
        await self.monitoring.start(self._pages())
        self.monitoring.torn(0 if self.events is None else self.events.torn_bytes)
        port = await self.server.start()
        await self.server.set_serving(True)
        self._serving = True
        self._watching = [asyncio.create_task(work()) for work in (self._rotate_events, self._follow_models)]
        return port

    @property
    def ports(self) -> SharedPorts:
        """Where it listens, once it is started."""
        return SharedPorts(self.server.port, self.monitoring.port)

    async def stop(self) -> None:
        """Finish the calls in flight and let go of everything."""
        self._stopping = True
        await self.server.stop(self.config.listen.grace_seconds)
        for task in self._watching:
            task.cancel()
        if self.cascade is not None:
            await self.cascade.close()
        if self.events is not None:
            await asyncio.to_thread(self.events.close)
        await asyncio.to_thread(self.models.close)
        if self.shared_features is not None:
            await self.shared_features.close()
        await self.monitoring.stop()

    def _pages(self) -> Mapping[str, web.Application]:
        """What is served over HTTP besides what monitoring serves."""
        if self.config.monitoring.port is None:
            return {}
        from serving.explorer import explorer_application

        authorise = None if self._tokens is None else self._opens
        return {"/explorer": explorer_application(self.models, self.batcher, self.config.limits, authorise)}

    def _opens(self, token: str) -> bool:
        return self._tokens is not None and self._tokens.role_of(token) is not None

    def _not_ready(self) -> str:
        if self._stopping:
            return "the service stops"
        return "" if self._serving else "no bundle is loaded yet"

    def _score_deciles(self, version: str) -> Sequence[float] | None:
        model = self.models.loaded.get(version)
        return None if model is None else model.manifest.score_deciles

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

    async def _follow_models(self) -> None:
        """Answer health checks for every version by its name: whether it is in memory."""
        known: set[str] = set()
        while True:
            loaded = set(self.models.loaded)
            for version in loaded ^ known:
                await self.server.set_serving(version in loaded, version)
            known = loaded
            await asyncio.sleep(self.config.models.poll_seconds)

    def _services(self) -> dict[str, Register]:
        events = self.events if self.config.events.impressions else None
        ranking = RankingServicer(
            self.models,
            self.batcher,
            self.config.limits,
            self.config.exploration,
            events,
            self.shared_features,
            self.monitoring.observer,
        )
        recording = EventServicer(self.events, self.monitoring.observer)
        models = ModelServicer(self.models)
        images: images_pb2_grpc.ImageServiceServicer = NoImagesServicer()
        if self.cascade is not None:
            from serving.rpc.images import ImageServicer

            images = ImageServicer(self.cascade)
        return {
            RANKING: _adding(ranking_pb2_grpc.add_RankingServiceServicer_to_server, ranking),
            EVENTS: _adding(events_pb2_grpc.add_EventServiceServicer_to_server, recording),
            IMAGES: _adding(images_pb2_grpc.add_ImageServiceServicer_to_server, images),
            MODELS: _adding(models_pb2_grpc.add_ModelServiceServicer_to_server, models),
        }


def model_store(
    config: ServiceConfig, accept: Callable[[LoadedModel], None], changed: Callable[[str], None]
) -> ModelStore:
    """The store of the configured folder, or of the one bundle; see `ModelStore`."""
    models, own_features = config.models, config.features.store == "lmdb"
    if models.bundle is None:
        return ModelStore(models.root, models.poll_seconds, None, own_features, changed, accept)
    folder = models.bundle.resolve()
    return ModelStore(folder.parent, models.poll_seconds, folder.name, own_features, changed, accept)


async def run_service(
    config: ServiceConfig,
    stopping: asyncio.Event,
    ready: Callable[[Service], None],
    ports: SharedPorts | None = None,
) -> None:
    """Serve until `stopping` is set; `ready` is called when the service takes traffic.

    Raises:
        SeriatimError: the service cannot start.
    """
    service = Service(config, ports)
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
