"""What all methods of a server share, put around each of them when its service is added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import grpc

Wrap = Callable[[grpc.RpcMethodHandler, str], grpc.RpcMethodHandler]


class Registration:
    """Stands for a server while services are added to it, and wraps the handler of each of their methods.

    An interceptor could do the same, but gRPC runs it for every call; a handler is wrapped once.

    Args:
        server: that the services are for.
        wraps: from a handler and the method's full name (`/package.Service/Method`) to the handler in its place; the
            first lies innermost.
    """

    def __init__(self, server: grpc.aio.Server, wraps: Iterable[Wrap]) -> None:
        self._server, self._wraps = server, tuple(wraps)

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Add services as generated code hands them over."""
        self._server.add_generic_rpc_handlers(tuple(_Wrapped(handler, self._wrapped) for handler in handlers))

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler]) -> None:
        """Add a service's methods by name, as newer generated code does besides."""
        wrapped = {name: self._wrapped(handler, f"/{service}/{name}") for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, wrapped)

    def _wrapped(self, handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        for wrap in self._wraps:
            handler = wrap(handler, method)
        return handler


class _Wrapped(grpc.GenericRpcHandler):
    """The methods of a service, each wrapped when it is called for the first time."""

    def __init__(self, service: grpc.GenericRpcHandler, wrap: Wrap) -> None:
        self._service, self._wrap = service, wrap
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a method; None where the service has none of that name."""
        method = handler_call_details.method
        if method not in self._handlers:
            handler = self._service.service(handler_call_details)
            if handler is None:
                return None
            self._handlers[method] = self._wrap(handler, method)
        return self._handlers[method]
