"""A gRPC server in this process for tests: real sockets on loopback, its event loop in a thread."""

import asyncio
import threading
from dataclasses import dataclass

from serving.batching import Batcher
from serving.config import ExplorationConfig, LimitsConfig
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.ranking import RankingServicer
from serving.runtime import SlateRanker
from serving.server import GrpcServer
from serving.service import Service

SERVICE = ranking_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name


@dataclass(frozen=True)
class OneModel:
    """One bundle for all requests."""

    ranker: SlateRanker
    features: object = None

    def choose(self, request_id, pinned=""):
        return self

    def shadow(self, request_id):
        return None


class RunningServer:
    """RankingService over one ranker; `limits` and the server's own `options` may be given."""

    def __init__(self, ranker, limits=None, exploration=None, events=None, **options):
        limits = limits or LimitsConfig()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.batcher = Batcher(limits.queue_ms / 1000, limits.batch_requests)
        servicer = RankingServicer(OneModel(ranker), self.batcher, limits, exploration or ExplorationConfig(), events)
        services = {SERVICE: lambda server: ranking_pb2_grpc.add_RankingServiceServicer_to_server(servicer, server)}
        sizes = [("grpc.max_receive_message_length", limits.message_bytes)]
        self.server = GrpcServer(services, options=sizes, **options)
        self.port = self.run(self._start())
        self.target = f"127.0.0.1:{self.port}"

    async def _start(self):
        port = await self.server.start()
        await self.server.set_serving(True)
        return port

    def run(self, coroutine):
        """The result of a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def stop(self, grace=0):
        self.run(self.server.stop(grace))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


class RunningService:
    """The whole service of a configuration, in this process."""

    def __init__(self, config):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        try:
            self.service = self.run(self._start(config))
        except BaseException:
            self._end()
            raise
        self.target = f"127.0.0.1:{self.service.server.port}"

    async def _start(self, config):
        service = Service(config)
        try:
            await service.start()
        except BaseException:
            await service.stop()
            raise
        return service

    def run(self, coroutine):
        """The result of a coroutine in the service's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def stop(self):
        self.run(self.service.stop())
        self._end()

    def _end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()
