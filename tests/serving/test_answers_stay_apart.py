"""No request gets another's answer, whatever happens to the calls beside it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from serving.config import LimitsConfig
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningServer
from tests.serving.small_bundles import make_query

CLIENTS, CALLS, IN_A_CALL = 8, 20, 4


@pytest.fixture(scope="module")
def server(ranker):
    running = RunningServer(ranker, LimitsConfig(queue_ms=60_000, batch_requests=8))
    yield running
    running.stop()


def query_of(number):
    """A query that no other number has: its id, its items' ids and its features."""
    candidates = 1 + number % 17
    items = tuple(f"{number}-{row}" for row in range(candidates))
    return make_query(candidates, seed=number, request_id=f"request-{number}", item_ids=items)


def require_own_answer(ranker, number, answer):
    query = query_of(number)
    assert answer.request_id == query.request_id
    assert [item.item_id for item in answer.items] == [query.item_ids[row] for row in ranker.rank(query).order]
    assert answer.decoding == ranking_pb2.DECODING_FULL


@pytest.fixture
def disturbers(server):
    """Two clients whose calls are cancelled, come too late or are refused, while the test runs; each kind occurs."""
    over = threading.Event()
    outcomes = {"cancelled": 0, "late": 0, "refused": 0}

    def disturb(first):
        number = first
        with grpc.insecure_channel(server.target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            while not over.is_set():
                number += 2
                message = message_of(query_of(number))
                cancelled = stub.RankSlate.future(message, timeout=30)
                outcomes["cancelled"] += cancelled.cancel()
                late = stub.RankSlate.future(message, timeout=1e-4)
                outcomes["late"] += late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                refused = stub.RankSlate.future(message_of(query_of(number), slate_size=1000), timeout=30)
                outcomes["refused"] += refused.code() is grpc.StatusCode.INVALID_ARGUMENT

    threads = [threading.Thread(target=disturb, args=(1_000_000 + place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()
    assert 0 not in outcomes.values()


@pytest.mark.usefixtures("disturbers")
def test_every_call_gets_its_own_answer_while_others_are_cancelled_late_or_refused(server, ranker):
    def client(place):
        with grpc.insecure_channel(server.target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            for call in range(CALLS):
                first = IN_A_CALL * (place * CALLS + call)
                numbers = range(first, first + IN_A_CALL)
                together = stub.RankSlates.future(
                    ranking_pb2.RankSlatesRequest(requests=[message_of(query_of(number)) for number in numbers]),
                    timeout=60,
                )
                alone = [stub.RankSlate.future(message_of(query_of(number)), timeout=60) for number in numbers]
                for number, one, result in zip(numbers, alone, together.result().results, strict=True):
                    require_own_answer(ranker, number, one.result())
                    require_own_answer(ranker, number, result.slate)
        return CALLS

    with ThreadPoolExecutor(CLIENTS) as threads:
        assert sum(threads.map(client, range(CLIENTS))) == CLIENTS * CALLS
