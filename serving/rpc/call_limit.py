"""A limit to the calls that are worked on at a time."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health
from grpc_status import rpc_status

from serving.rpc.errors import overloaded
from serving.rpc.observer import NoObserver, Observer

RETRY_SECONDS = 0.1
# Who asks whether a busy service lives must not be told that it is busy.
HEALTH = f"/{health.SERVICE_NAME}/"


class CallLimit:
    """Refuses calls beyond a number with RESOURCE_EXHAUSTED and the time to come again.

    A call counts from when its message is whole until its answer is ready. gRPC's own limit counts from a call's first
    bytes to its last: as many callers as it allows, who send no message, would shut out all others. Streams such as
    watching the health are not counted.

    Args:
        max_calls: at a time.
        observer: told of every refusal.
    """

    def __init__(self, max_calls: int, observer: Observer | None = None) -> None:
        self._max_calls = max_calls
        self._observer: Observer = observer if observer is not None else NoObserver()
        self._calls = 0

    def wrap(self, handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        """The method's handler with our count around it."""
        if method.startswith(HEALTH) or not inspect.iscoroutinefunction(handler.unary_unary):
            return handler
        return handler._replace(unary_unary=self._counted(handler.unary_unary))

    def _counted(self, behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            if self._calls >= self._max_calls:
                self._observer.shed("calls")
                message = f"the service works on {self._calls} calls already; try again soon, or at another replica"
                status = rpc_status.to_status(overloaded(message, RETRY_SECONDS))
                await context.abort(status.code, status.details, status.trailing_metadata)
            self._calls += 1
            try:
                return await behaviour(request, context)
            finally:
                self._calls -= 1

        return answer
