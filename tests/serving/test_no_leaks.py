"""The service's memory after very many requests, and after messages that are too large."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from tests.serving.ranking_messages import message_of
from tests.serving.served_process import served_process
from tests.serving.small_bundles import make_query

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads a process's memory from /proc")

MIB = 1 << 20
IN_A_CALL = 64
FIRST, ALL = 20_000, 200_000
# A hundred bytes a request would be 17 MiB.
MOST_GROWTH = 6 * MIB
UNLIMITED = [("grpc.max_send_message_length", -1)]


@pytest.mark.slow
def test_memory_is_flat_over_two_hundred_thousand_requests_good_bad_and_cancelled(bundle, tmp_path):
    with served_process(bundle, tmp_path, queue_ms=60_000) as service:
        rank_many(service.target, range(FIRST // IN_A_CALL))
        before = service.resident_bytes()
        rank_many(service.target, range(FIRST // IN_A_CALL, ALL // IN_A_CALL))
        growth = service.resident_bytes() - before
    assert growth < MOST_GROWTH


def rank_many(target, numbers):
    """Calls of 64 small requests, one in eight of them bad; every tenth call is cancelled besides, and every tenth
    begins by bytes that are no message."""

    def calls(part):
        with grpc.insecure_channel(target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            raw = channel.unary_unary("/seriatim.v1.RankingService/RankSlates")
            for number in part:
                request = ranking_pb2.RankSlatesRequest(requests=small_requests(number))
                if number % 10 == 0:
                    cancelled = stub.RankSlates.future(request, timeout=60)
                    cancelled.cancel()
                if number % 10 == 1:
                    with pytest.raises(grpc.RpcError, match="not a message"):
                        raw(b"\xff", timeout=60)
                results = stub.RankSlates(request, timeout=60).results
                assert sum(result.HasField("slate") for result in results) == IN_A_CALL * 7 // 8

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(calls, (numbers[0::3], numbers[1::3], numbers[2::3])))


def small_requests(number):
    for place in range(IN_A_CALL):
        request = message_of(make_query(2, seed=place), request_id=f"request-{number}-{place}")
        if place % 8 == 0:
            request.slate_size = 3
        if place % 8 == 1:
            request.exploration.temperature = 1.0
        yield request


@pytest.mark.slow
def test_messages_that_are_too_large_are_refused_and_leave_no_memory_behind(bundle, tmp_path):
    size, times = 32 * MIB, 10
    too_large = message_of(make_query(), user_id="x" * size)
    with (
        served_process(bundle, tmp_path, message_bytes=MIB) as service,
        grpc.insecure_channel(service.target, options=UNLIMITED) as channel,
    ):
        stub = ranking_pb2_grpc.RankingServiceStub(channel)
        before = service.resident_bytes()
        for _ in range(times):
            with pytest.raises(grpc.RpcError) as caught:
                stub.RankSlate(too_large, timeout=60)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert service.resident_bytes() - before < 3 * size
        assert stub.RankSlate(message_of(make_query()), timeout=60).items


def test_a_compressed_message_is_never_inflated_beyond_the_limit(bundle, tmp_path):
    inflated = 256 * MIB
    with (
        served_process(bundle, tmp_path, message_bytes=MIB) as service,
        grpc.insecure_channel(service.target, options=UNLIMITED) as channel,
    ):
        stub = ranking_pb2_grpc.RankingServiceStub(channel)
        stub.RankSlate(message_of(make_query()), timeout=60, compression=grpc.Compression.Gzip)
        service.forget_peak()
        before = service.peak_bytes()
        with pytest.raises(grpc.RpcError, match="more than 1048576 bytes when it is inflated") as caught:
            stub.RankSlate(
                message_of(make_query(), user_id="x" * inflated), timeout=60, compression=grpc.Compression.Gzip
            )
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert service.peak_bytes() - before < inflated / 8
        assert stub.RankSlate(message_of(make_query()), timeout=60).items
