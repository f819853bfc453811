"""RankSlate and RankSlates beyond one sound request: several, too many, too late."""

import asyncio

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from serving.batching import Costs
from serving.config import LimitsConfig
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.runtime import Decoding
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningServer
from tests.serving.small_bundles import make_query


@pytest.fixture(scope="module")
def server(ranker):
    running = RunningServer(ranker, LimitsConfig(candidates=50))
    yield running
    running.stop()


@pytest.fixture
def stub(server):
    with grpc.insecure_channel(server.target) as channel:
        yield ranking_pb2_grpc.RankingServiceStub(channel)


def unpacked(status, kind: type[Message]):
    detail = kind()
    assert status.details[0].Unpack(detail)
    return detail


def refused(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return rpc_status.from_call(caught.value)


def test_several_requests_get_an_answer_each_in_order(stub, ranker):
    queries = [make_query(4 + seed, seed=seed) for seed in range(9)]
    results = stub.RankSlates(ranking_pb2.RankSlatesRequest(requests=map(message_of, queries)), timeout=10).results
    for query, result in zip(queries, results, strict=True):
        assert result.slate.request_id == query.request_id
        placed = [item.item_id for item in result.slate.items]
        assert placed == [query.item_ids[row] for row in ranker.rank(query).order]
        assert result.slate.decoding == ranking_pb2.DECODING_FULL


def test_a_bad_request_among_several_fails_alone_with_its_field(stub):
    requests = [message_of(make_query(seed=1)), message_of(make_query(), slate_size=99), message_of(make_query(seed=2))]
    results = stub.RankSlates(ranking_pb2.RankSlatesRequest(requests=requests), timeout=10).results
    assert [result.WhichOneof("result") for result in results] == ["slate", "error", "slate"]
    assert results[1].error.code == code_pb2.INVALID_ARGUMENT
    assert unpacked(results[1].error, error_details_pb2.BadRequest).field_violations[0].field == "slate_size"


def test_no_requests_get_no_answers(stub):
    assert len(stub.RankSlates(ranking_pb2.RankSlatesRequest(), timeout=10).results) == 0


@pytest.mark.parametrize(
    ("count", "candidates", "message"), [(65, 1, "65 requests; give at most 64"), (64, 63, "4032 candidates together")]
)
def test_too_much_in_one_call_is_refused_whole(stub, count, candidates, message):
    requests = [message_of(make_query(candidates, seed=seed)) for seed in range(count)]
    status = refused(stub.RankSlates, ranking_pb2.RankSlatesRequest(requests=requests), timeout=10)
    assert status.code == code_pb2.INVALID_ARGUMENT
    assert message in unpacked(status, error_details_pb2.BadRequest).field_violations[0].description


def test_the_configured_number_of_candidates_is_the_most(stub):
    assert stub.RankSlate(message_of(make_query(50)), timeout=10).items
    status = refused(stub.RankSlate, message_of(make_query(51)), timeout=10)
    assert "51 candidates; give at most 50" in status.message


def test_an_overloaded_service_says_when_to_come_again(ranker):
    running = RunningServer(ranker, LimitsConfig(queue_ms=400))
    try:
        costs = Costs()
        costs.observe(Decoding.FULL, 8, 0.5)
        running.batcher._costs = costs
        requests = [message_of(make_query(8, seed=seed)) for seed in range(20)]
        with grpc.insecure_channel(running.target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            results = stub.RankSlates(ranking_pb2.RankSlatesRequest(requests=requests), timeout=10).results
        errors = [result.error for result in results if result.HasField("error")]
        assert 0 < len(errors) < 20
        assert {error.code for error in errors} == {code_pb2.RESOURCE_EXHAUSTED}
        assert unpacked(errors[0], error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() >= 500
    finally:
        running.stop()


def test_a_short_deadline_gets_less_decoding_and_says_so(ranker):
    running = RunningServer(ranker)
    try:
        costs = running.batcher._costs
        for _ in range(200):
            costs.observe(Decoding.FULL, 8, 100.0)
            costs.observe(Decoding.ONE_STEP, 8, 50.0)
            costs.observe(Decoding.BASE, 8, 1e-4)
        with grpc.insecure_channel(running.target) as channel:
            answer = ranking_pb2_grpc.RankingServiceStub(channel).RankSlate(message_of(make_query(8)), timeout=20)
        assert answer.decoding == ranking_pb2.DECODING_BASE
        assert [item.item_id for item in answer.items] == [
            f"i{row}" for row in ranker.rank(make_query(8), Decoding.BASE).order
        ]
    finally:
        running.stop()


def test_a_fault_of_ours_shows_no_details_to_the_caller(ranker, monkeypatch, caplog):
    running = RunningServer(ranker)

    def broken(queries, decoding):
        raise RuntimeError("a secret of the house")

    try:
        monkeypatch.setattr(ranker, "rank_batch", broken)
        with grpc.insecure_channel(running.target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            status = refused(stub.RankSlate, message_of(make_query()), timeout=10)
    finally:
        monkeypatch.undo()
        running.stop()
    assert status.code == code_pb2.INTERNAL
    assert "secret" not in status.message
    assert "a secret of the house" in caplog.text


def test_a_call_that_is_cancelled_is_not_ranked(ranker, monkeypatch):
    running = RunningServer(ranker, LimitsConfig(batch_requests=1))
    ranked, entered, go_on = [], asyncio.Event(), asyncio.Event()
    whole = running.batcher.rank

    async def held(*arguments):
        entered.set()
        await go_on.wait()
        ranked.append(arguments)
        return await whole(*arguments)

    async def left():
        await entered.wait()

    async def finish():
        go_on.set()

    try:
        monkeypatch.setattr(running.batcher, "rank", held)
        with grpc.insecure_channel(running.target) as channel:
            call = ranking_pb2_grpc.RankingServiceStub(channel).RankSlate.future(message_of(make_query()), timeout=20)
            running.run(left())
            call.cancel()
        running.run(running.server.stop(1))
        running.run(finish())
        assert ranked == []
    finally:
        running.stop()
