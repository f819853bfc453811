"""What a running service shows over HTTP and writes into its log."""

import http.client
import json
import logging
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from seriatim_errors import ServiceError
from serving.batching.batcher import Batch
from serving.config import ServiceConfig
from serving.monitoring.http import HttpServer
from serving.monitoring.logs import log_to
from serving.monitoring.metrics import Metrics
from serving.proto.seriatim.v1 import events_pb2, events_pb2_grpc, ranking_pb2_grpc
from serving.runtime import Decoding, Slate
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningService
from tests.serving.served_process import until
from tests.serving.small_bundles import make_query

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"


@pytest.fixture
def start(bundle):
    """Starts services with monitoring over one bundle, and stops them."""
    running = []

    def made(**sections):
        config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "monitoring": {"port": 0}}
        running.append(RunningService(ServiceConfig.model_validate({**config, **sections})))
        return running[-1]

    yield made
    for service in running:
        service.stop()


def page(service, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{service.service.ports.http}{path}", timeout=20) as answer:
        return answer.read().decode()


def samples(text):
    """Every sample by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def until_counted(service, sample):
    """The samples, once one of them is there: a refused call is counted after its answer is sent."""
    until(lambda: sample in samples(page(service, "/metrics")))
    return samples(page(service, "/metrics"))


def rank(service, *queries, **options):
    with grpc.insecure_channel(service.target) as channel:
        stub = ranking_pb2_grpc.RankingServiceStub(channel)
        return [stub.RankSlate(message_of(query), timeout=20, **options) for query in queries]


def test_requests_are_counted_and_timed_by_method_status_version_and_stage(start, bundle):
    service = start()
    rank(service, make_query(seed=1), make_query(seed=2))
    with pytest.raises(grpc.RpcError):
        rank(service, make_query(seed=3, slate_size=1000))
    seen = until_counted(service, ("seriatim_call_seconds_count", "INVALID_ARGUMENT", "RankSlate"))
    version = bundle.manifest.version
    assert seen["seriatim_call_seconds_count", "OK", "RankSlate"] == 2
    assert seen["seriatim_call_seconds_count", "INVALID_ARGUMENT", "RankSlate"] == 1
    assert seen["seriatim_call_seconds_sum", "OK", "RankSlate"] > 0
    # The third was ranked by nobody, but went through the queue.
    assert seen["seriatim_ranked_requests_total", version, "full", "live"] == 3
    assert seen["seriatim_batch_requests_sum",] == 3
    assert seen["seriatim_queue_seconds_count",] == 3
    for stage in ("gate", "base_ranker", "seq2slate"):
        assert seen["seriatim_stage_seconds_count", stage] == 2
    assert seen["seriatim_bundle_in_service", version] == 1


def test_what_a_caller_sends_wrongly_is_counted_too(start):
    service = start(limits={"message_bytes": 2048})
    with grpc.insecure_channel(service.target) as channel:
        call = channel.unary_unary("/seriatim.v1.RankingService/RankSlate")
        with pytest.raises(grpc.RpcError):
            call(b"\xff\xff", timeout=20)
    until_counted(service, ("seriatim_call_seconds_count", "INVALID_ARGUMENT", "RankSlate"))


def test_events_and_explored_slates_are_counted(start, tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "killed.jsonl.open").write_bytes(b"torn")
    exploration = {"policy": "epsilon", "share": 1.0, "epsilon": 0.5}
    service = start(events={"folder": tmp_path / "log"}, exploration=exploration)
    rank(service, make_query(seed=1))
    event = events_pb2.Event(event_id="e1", request_id="r", interaction={"item_id": "a", "action": "click"})
    with grpc.insecure_channel(service.target) as channel:
        stub = events_pb2_grpc.EventServiceStub(channel)
        for _ in range(2):
            stub.RecordEvents(events_pb2.RecordEventsRequest(events=[event]), timeout=20)
    seen = samples(page(service, "/metrics"))
    assert seen["seriatim_events_total", "recorded"] == 2
    assert seen["seriatim_events_total", "duplicate"] == 1
    assert seen["seriatim_explored_slates_total", "epsilon"] == 1
    assert seen["seriatim_event_log_torn_bytes_total",] == 4


def test_health_and_readiness_answer_over_http_with_safe_headers(start):
    service = start()
    assert json.loads(page(service, "/healthz")) == {"alive": True}
    assert json.loads(page(service, "/readyz")) == {"ready": True}
    connection = http.client.HTTPConnection("127.0.0.1", service.service.ports.http, timeout=20)
    for method, path, status in (("GET", "/readyz", 200), ("GET", "/none", 404), ("DELETE", "/metrics", 405)):
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    connection.close()


@pytest.mark.parametrize(
    ("name", "status"), [("localhost:1", 200), ("stranger.example", 421), ("127.0.0.1.example", 421)]
)
def test_on_loopback_no_other_name_is_answered(start, name, status):
    """Else a page from elsewhere could give its name this address, and read what is meant for this machine's user."""
    connection = http.client.HTTPConnection("127.0.0.1", start().service.ports.http, timeout=20)
    for path in ("/metrics", "/explorer/api/requests"):
        connection.request("GET", path, headers={"Host": name})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_a_service_that_stops_is_not_ready_and_says_why(start):
    service = start()
    service.service._stopping = True
    with pytest.raises(urllib.error.HTTPError) as caught:
        page(service, "/readyz")
    assert caught.value.code == 503
    assert json.loads(caught.value.read()) == {"ready": False, "reason": "the service stops"}
    caught.value.close()


def test_a_port_in_use_is_named_with_the_way_out(start):
    service = start()

    async def take():
        await HttpServer(Metrics(), lambda: "", port=service.service.ports.http).start()

    with pytest.raises(ServiceError, match=r"for HTTP: .*monitoring.port"):
        service.run(take())


def test_without_a_port_nothing_is_served_and_nothing_counted(start):
    service = start(monitoring={})
    assert service.service.ports.http is None
    assert service.service.monitoring.metrics is None
    assert rank(service, make_query())


def test_every_metric_stands_in_the_documentation_and_no_other():
    families = {family.name for family in Metrics().registry.collect()}
    documented = {
        line.split("`")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `seriatim_")
    }
    counters = {family.name for family in Metrics().registry.collect() if family.type == "counter"}
    assert documented == {f"{name}_total" if name in counters else name for name in families}


def test_scores_are_held_against_the_deciles_that_the_bundle_promises():
    metrics = Metrics(lambda version: tuple(np.arange(1, 10) / 10) if version == "promising" else None)
    ranker_answers = [_slate(np.linspace(0.905, 0.995, 50))]
    for version in ("promising", "silent"):
        metrics.batch(Batch(version, Decoding.FULL, 0.001, (0.0,), ranker_answers), waiting=0)
    seen = samples(metrics.exposition().decode())
    assert seen["seriatim_score_drift", "promising"] > 1
    assert seen["seriatim_base_scores_total", "9", "promising"] == 50
    assert ("seriatim_score_drift", "silent") not in seen


def _slate(scores):
    count = len(scores)
    return Slate(
        order=(0,),
        ranks=np.arange(count),
        base_scores=scores.astype(np.float32),
        gate_scores=None,
        passed=np.ones(count, bool),
        probabilities=np.array([1.0]),
        propensity=None,
        version="v",
    )


@pytest.mark.parametrize(("wanted", "lines"), [("none", 0), ("failed", 1), ("all", 2)])
def test_calls_are_logged_as_configured_and_never_with_a_token(start, caplog, wanted, lines):
    caplog.set_level(logging.INFO, logger="seriatim.calls")
    service = start(monitoring={"log_calls": wanted})
    secret = (("authorization", "Bearer s3cret"),)
    # The failed one first: its line is written after its answer is sent, and before the next call is read.
    with pytest.raises(grpc.RpcError):
        rank(service, make_query(seed=2, slate_size=1000), metadata=secret)
    rank(service, make_query(seed=1), metadata=secret)
    records = [record for record in caplog.records if record.name == "seriatim.calls"]
    assert len(records) == lines
    assert "s3cret" not in caplog.text
    if records:
        assert records[0].code == "INVALID_ARGUMENT"
        assert records[0].request_id == make_query(seed=2).request_id


def test_a_line_of_the_json_log_is_one_object_with_the_record_s_fields(tmp_path):
    with (tmp_path / "log").open("w") as stream:
        handler = log_to(stream, "json")
        record = logging.LogRecord("seriatim.calls", logging.INFO, "", 0, "a\nb %s", ("c",), None)
        record.request_id = "r\n1"
        handler.handle(record)
    [line] = (tmp_path / "log").read_text().splitlines()
    found = json.loads(line)
    assert found["message"] == "a\nb c"
    assert (found["level"], found["logger"], found["request_id"]) == ("INFO", "seriatim.calls", "r\n1")
