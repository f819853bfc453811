"""Spans of calls and stages, through a real service."""

import grpc
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from seriatim_errors import ConfigError
from serving.config import ServiceConfig
from serving.monitoring import tracing
from serving.monitoring.tracing import exporter_of
from serving.proto.seriatim.v1 import ranking_pb2_grpc
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningService
from tests.serving.small_bundles import make_query

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans_of(bundle, monkeypatch):
    """Calls a traced service with metadata, one request a time, and gives the spans that it sent."""

    def call(share, *calls):
        memory = InMemorySpanExporter()
        monkeypatch.setattr(tracing, "exporter_of", lambda kind: memory)
        monitoring = {"traces": "console", "trace_share": share}
        config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "monitoring": monitoring}
        running = RunningService(ServiceConfig.model_validate(config))
        try:
            with grpc.insecure_channel(running.target) as channel:
                stub = ranking_pb2_grpc.RankingServiceStub(channel)
                for query, metadata in calls:
                    try:
                        stub.RankSlate(message_of(query), timeout=20, metadata=metadata)
                    except grpc.RpcError as error:
                        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017
        finally:
            running.stop()
        return memory.get_finished_spans()

    return call


def traceparent(sampled):
    return (("traceparent", f"00-{TRACE}-{PARENT}-0{int(sampled)}"),)


def test_a_call_is_a_span_of_its_caller_s_trace_with_a_span_a_stage(spans_of, bundle):
    spans = {span.name: span for span in spans_of(0.0, (make_query(), traceparent(True)))}
    call = spans.pop("RankSlate")
    assert f"{call.context.trace_id:032x}" == TRACE
    assert f"{call.parent.span_id:016x}" == PARENT
    assert call.attributes["rpc.grpc.status"] == "OK"
    assert set(spans) == {"gate", "base_ranker", "seq2slate"}
    for stage in spans.values():
        assert stage.parent.span_id == call.context.span_id
        assert stage.attributes["version"] == bundle.manifest.version
        assert call.start_time <= stage.end_time <= call.end_time


def test_the_caller_decides_and_else_the_share(spans_of):
    assert not spans_of(1.0, (make_query(), traceparent(False)))
    assert len(spans_of(1.0, (make_query(), ()))) == 4


def test_nothing_is_traced_at_a_share_of_nothing(spans_of):
    assert not spans_of(0.0, (make_query(), ()))


def test_a_refused_call_says_so_in_its_span(spans_of):
    [span] = spans_of(1.0, (make_query(slate_size=1000), (("authorization", "Bearer s3cret"),)))
    assert span.attributes["rpc.grpc.status"] == "INVALID_ARGUMENT"
    assert not span.status.is_ok
    assert "s3cret" not in span.to_json()


def test_a_collector_without_its_package_is_a_mistake_in_the_configuration():
    with pytest.raises(ConfigError, match="pip install opentelemetry-exporter-otlp"):
        exporter_of("otlp")
