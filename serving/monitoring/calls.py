"""Every call of the service: timed, counted, traced and, where that is wanted, logged."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import grpc

if TYPE_CHECKING:
    from serving.monitoring.metrics import Metrics

OWN_SERVICES = "/seriatim."
# A caller may send an id of any length.
LONGEST_ID = 128
CODES = {code.value[0]: code.name for code in grpc.StatusCode}
Span = Callable[[str, grpc.aio.ServicerContext], AbstractContextManager[Callable[[str], None]]]
logger = logging.getLogger("seriatim.calls")


class CallObserver:
    """Sees calls of our own services from when their message has come to their answer.

    A log line holds the method, the status, the time, the caller's address and the request's id. It never holds
    metadata, where tokens are, nor features.

    Args:
        metrics: that count; None: nothing is counted.
        log: which calls are logged.
        span: opens the trace of a call, and takes its status at the end.
    """

    def __init__(
        self, metrics: Metrics | None, log: Literal["none", "failed", "all"] = "failed", span: Span | None = None
    ):
        self._metrics, self._log = metrics, log
        self._span = span if span is not None else _no_span

    def wrap(self, handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        """The method's handler with our look around it; other services' methods stay as they are."""
        if not method.startswith(OWN_SERVICES) or not inspect.iscoroutinefunction(handler.unary_unary):
            return handler
        return handler._replace(unary_unary=self._observed(handler.unary_unary, method))

    def _observed(
        self, behaviour: Callable[[Any, Any], Awaitable[Any]], method: str
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        name = method.rpartition("/")[2]

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            begun, code = perf_counter(), "OK"
            with self._span(name, context) as say:
                try:
                    return await behaviour(request, context)
                except asyncio.CancelledError:
                    code = "CANCELLED"
                    raise
                except BaseException:
                    code = _code_of(context)
                    raise
                finally:
                    seconds = perf_counter() - begun
                    if self._metrics is not None:
                        self._metrics.call(name, code, seconds)
                    say(code)
                    if self._log == "all" or (self._log == "failed" and code != "OK"):
                        _log_call(name, code, seconds, request, context)

        return answer


def _code_of(context: grpc.aio.ServicerContext) -> str:
    """Name of the status that the call was aborted with; UNKNOWN where the servicer failed on the way."""
    code = context.code()
    return CODES.get(code.value[0] if isinstance(code, grpc.StatusCode) else code, "UNKNOWN")


def _log_call(name: str, code: str, seconds: float, request: object, context: grpc.aio.ServicerContext) -> None:
    request_id = getattr(request, "request_id", "")[:LONGEST_ID]
    fields = {
        "method": name,
        "code": code,
        "milliseconds": round(1000 * seconds, 3),
        "peer": context.peer(),
        "request_id": request_id,
    }
    text = "%s %s in %.3f ms from %s, request %r"
    logger.info(text, name, code, 1000 * seconds, context.peer(), request_id, extra=fields)


def _no_span(name: str, context: grpc.aio.ServicerContext) -> AbstractContextManager[Callable[[str], None]]:
    return nullcontext(lambda code: None)
