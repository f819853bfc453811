"""Traces of calls with OpenTelemetry: a span a call, and within it a span a stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import grpc
from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from seriatim_errors import ConfigError
from serving.runtime.query import Slate

PACKAGE = "opentelemetry-exporter-otlp-proto-grpc"
PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Starts spans for a share of the calls, and for all whose caller traces them (W3C `traceparent`).

    Args:
        exporter: where spans go.
        share: of the calls that begin a trace here.
    """

    def __init__(self, exporter: SpanExporter, share: float) -> None:
        sampler = ParentBased(TraceIdRatioBased(share))
        self._provider = TracerProvider(sampler=sampler, resource=Resource.create({SERVICE_NAME: "seriatim"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("seriatim")

    @contextmanager
    def call(self, method: str, context: grpc.aio.ServicerContext) -> Iterator[Callable[[str], None]]:
        """The span of a call; what it yields takes the name of the call's status."""
        carrier = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        parent = PROPAGATOR.extract(carrier)
        with self._tracer.start_as_current_span(method, parent, trace.SpanKind.SERVER) as span:
            yield lambda code: _end(span, code)

    def ranked(self, slate: Slate) -> None:
        """Spans of the stages that built a slate, within the current call's: they follow one another up to now.

        Their lengths are those of the whole batch; how many requests it had is not theirs to say.
        """
        if not trace.get_current_span().is_recording():
            return
        begin = time.time_ns() - int(1e9 * sum(slate.stage_seconds.values()))
        for stage, seconds in slate.stage_seconds.items():
            end = begin + int(1e9 * seconds)
            self._tracer.start_span(stage, start_time=begin, attributes={"version": slate.version}).end(end)
            begin = end

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def exporter_of(kind: Literal["console", "otlp"]) -> SpanExporter:
    """Standard error, or the collector that OTEL_EXPORTER_OTLP_ENDPOINT names (localhost:4317).

    Raises:
        ConfigError: the package for it is not installed.
    """
    if kind == "console":
        return ConsoleSpanExporter(out=sys.stderr)
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ConfigError(
            f"monitoring.traces: otlp needs {PACKAGE}, which is not installed; run 'pip install {PACKAGE}', or set "
            "console or none"
        ) from None
    return OTLPSpanExporter()


def _end(span: trace.Span, code: str) -> None:
    span.set_attribute("rpc.grpc.status", code)
    if code != "OK":
        span.set_status(trace.StatusCode.ERROR, code)
