"""The gRPC server: our services beside the standard health and reflection services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from seriatim_errors import ServiceError
from serving.rpc.message_reader import MessageReader
from serving.rpc.registration import Registration, Wrap

Register = Callable[[Registration], None]
DEFAULT_MESSAGE_BYTES = 4 << 20


class GrpcServer:
    """Serves until it is stopped by this handle.

    Args:
        services: full name of each service to what adds it to a server.
        host: address to listen on.
        port: 0 picks a free one.
        options: of the gRPC core.
        interceptors: before every call.
        credentials: of TLS; None serves in the clear.
        share_port: whether other processes listen on the same port (SO_REUSEPORT).
        inner_wraps, outer_wraps: around every method, from the inside to the outside: those that see messages only
            once they are read, and those that see the reading too.
    """

    def __init__(
        self,
        services: Mapping[str, Register],
        host: str = "127.0.0.1",
        port: int = 0,
        options: Sequence[tuple[str, Any]] = (),
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        credentials: grpc.ServerCredentials | None = None,
        share_port: bool = False,
        inner_wraps: Sequence[Wrap] = (),
        outer_wraps: Sequence[Wrap] = (),
    ) -> None:
        # An IPv6 address stands in brackets, or its last group would be taken for the port.
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._services, self._credentials = services, credentials
        self._options = [*options, *MessageReader.OPTIONS, ("grpc.so_reuseport", int(share_port))]
        reader = MessageReader(dict(options).get("grpc.max_receive_message_length", DEFAULT_MESSAGE_BYTES))
        self._wraps, self._interceptors = [*inner_wraps, reader.wrap, *outer_wraps], interceptors
        self._server: grpc.aio.Server | None = None
        self.health = health.aio.HealthServicer()
        self.port = port

    async def start(self) -> int:
        """Bind and start serving; health says NOT_SERVING until `set_serving`.

        Returns:
            The port.

        Raises:
            ServiceError: the address is in use or not this machine's.
        """
        server = grpc.aio.server(options=self._options, interceptors=list(self._interceptors))
        registration = Registration(server, self._wraps)
        for register in self._services.values():
            register(registration)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, registration)
        names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflected = reflection.aio.ReflectionServicer(names)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflected, registration)
        try:
            if self._credentials is None:
                self.port = server.add_insecure_port(self._address)
            else:
                self.port = server.add_secure_port(self._address, self._credentials)
        except RuntimeError:
            self.port = 0
        if self.port == 0:
            raise ServiceError(
                f"cannot listen on {self._address}: the port is in use or the address is not this machine's; "
                "give another --port (0 picks a free one) or --host"
            )
        await self.set_serving(False)
        await server.start()
        self._server = server
        return self.port

    async def set_serving(self, serving: bool, name: str | None = None) -> None:
        """Say to health checks whether a service (None: the server and all of them) takes traffic."""
        answer = health_pb2.HealthCheckResponse
        status = answer.SERVING if serving else answer.NOT_SERVING
        for service in ("", *self._services) if name is None else (name,):
            await self.health.set(service, status)

    async def stop(self, grace: float = 5.0) -> None:
        """Say to health checks that it ends, refuse new calls and give those in flight `grace` seconds."""
        if self._server is not None:
            await self.health.enter_graceful_shutdown()
            await self._server.stop(grace)
