"""The gRPC service: RankSlate beside the standard health and reflection services."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from seriatim_errors import ServiceError
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.ranking import RankingServicer
from serving.runtime.ranker import SlateRanker

SERVICE = ranking_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name
MAX_MESSAGE_BYTES = 16 << 20


class RankingServer:
    """A server for one bundle; start it, wait for it, stop it by this handle."""

    def __init__(self, ranker: SlateRanker, host: str = "127.0.0.1", port: int = 0) -> None:
        # An IPv6 address stands in brackets, or its last group would be taken for the port.
        self._ranker, self._address = ranker, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._server: grpc.aio.Server | None = None
        self._health = health.aio.HealthServicer()
        self.port = port

    async def start(self) -> int:
        """Bind and start serving.

        Returns:
            The port, chosen by the system when 0 was asked for.

        Raises:
            ServiceError: the address is in use or not this machine's.
        """
        # Without SO_REUSEPORT a second server on the port fails at once instead of sharing its traffic.
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ]
        )
        ranking_pb2_grpc.add_RankingServiceServicer_to_server(RankingServicer(self._ranker), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        try:
            self.port = server.add_insecure_port(self._address)
        except RuntimeError:
            self.port = 0
        if self.port == 0:
            raise ServiceError(
                f"cannot listen on {self._address}: the port is in use or the address is not this machine's; "
                "give another --port (0 picks a free one) or --host"
            )
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await server.start()
        self._server = server
        return self.port

    async def wait(self) -> None:
        """Return when the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def stop(self, grace: float = 5.0) -> None:
        """Say to health checks that it ends, refuse new calls and give those in flight `grace` seconds."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace)
