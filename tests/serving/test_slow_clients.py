"""Clients that stall, at every point of a call: the others are served."""

import asyncio
import contextlib
import queue

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from serving.batching import OverloadedError
from serving.config import LimitsConfig
from serving.proto.seriatim.v1 import ranking_pb2_grpc
from serving.rpc.call_limit import CallLimit
from tests.serving.http2_frames import (
    DATA,
    HEADERS,
    PREFACE,
    call_headers,
    connected,
    half_message_data,
    message_data,
    read_frame,
    settings,
)
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningServer
from tests.serving.small_bundles import make_query

METHOD = "/seriatim.v1.RankingService/RankSlate"
MESSAGE = message_of(make_query(8)).SerializeToString()
OPENED = PREFACE + settings(65535)
MOST_CALLS = 32
STALLED = {
    "before the first byte": b"",
    "within the preface": PREFACE[:10],
    "within a frame's head": OPENED + b"\x00\x00",
    "within the headers": OPENED + call_headers(1, METHOD)[:30],
    "before the message": OPENED + call_headers(1, METHOD),
    "within the message": OPENED + call_headers(1, METHOD) + half_message_data(1, MESSAGE),
}


@pytest.fixture
def server(ranker):
    running = RunningServer(ranker, LimitsConfig(queue_ms=60_000), inner_wraps=[CallLimit(MOST_CALLS).wrap])
    yield running
    running.stop()


def response_headers(connection):
    """The streams, in order, of the next frames of headers; frames of data must be empty."""
    while True:
        kind, stream, payload = read_frame(connection)
        assert kind != DATA or payload == b""
        if kind == HEADERS:
            yield stream


async def set_event(event):
    event.set()


def require_service(server, ranker):
    """A client of its own gets its own right answers."""
    with grpc.insecure_channel(server.target) as channel:
        stub = ranking_pb2_grpc.RankingServiceStub(channel)
        for seed in range(20):
            query = make_query(12, seed=seed)
            answer = stub.RankSlate(message_of(query), timeout=30)
            assert [item.item_id for item in answer.items] == [query.item_ids[row] for row in ranker.rank(query).order]


@pytest.mark.parametrize("sent", STALLED.values(), ids=STALLED)
def test_forty_clients_that_stall_hold_nobody_up(server, ranker, sent):
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(connected(server.port)).sendall(sent)
        require_service(server, ranker)


def test_two_hundred_idle_connections_hold_nobody_up(server, ranker):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(server.port)).sendall(OPENED)
        require_service(server, ranker)


@pytest.mark.parametrize("window", [0, 10])
def test_clients_that_never_read_their_answers_hold_nobody_up(server, ranker, window):
    """The callers' flow control keeps every answer in the service."""
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(connected(server.port))
            connection.sendall(PREFACE + settings(window))
            for stream in range(1, 21, 2):
                connection.sendall(call_headers(stream, METHOD) + message_data(stream, MESSAGE))
        require_service(server, ranker)


def test_the_calls_of_a_client_that_reads_no_answer_were_ranked(server):
    """What the test above supposes: the answers are begun, and their messages wait for the reader."""
    with connected(server.port) as connection:
        connection.sendall(PREFACE + settings(0))
        streams = list(range(1, 81, 2))
        for stream in streams:
            connection.sendall(call_headers(stream, METHOD) + message_data(stream, MESSAGE))
        begun = response_headers(connection)
        assert {next(begun) for _ in streams} == set(streams)


def test_calls_beyond_the_limit_are_told_when_to_come_again(server, monkeypatch):
    ranking = asyncio.Event()

    async def held(*arguments):
        await ranking.wait()
        raise OverloadedError(0, 0, 0)

    monkeypatch.setattr(server.batcher, "rank", held)
    with grpc.insecure_channel(server.target) as channel:
        stub = ranking_pb2_grpc.RankingServiceStub(channel)
        calls, ended = [], queue.Queue()
        for _ in range(MOST_CALLS + 5):
            calls.append(stub.RankSlate.future(message_of(make_query(8)), timeout=30))
            calls[-1].add_done_callback(ended.put)
        for _ in range(5):
            status = rpc_status.from_call(ended.get(timeout=30))
            assert "works on 32 calls already" in status.message
            retry = error_details_pb2.RetryInfo()
            assert status.details[0].Unpack(retry)
            assert retry.retry_delay.ToMilliseconds() == 100
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        server.run(set_event(ranking))
        assert {call.code() for call in calls} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        monkeypatch.undo()
        assert stub.RankSlate(message_of(make_query(8)), timeout=30).items
