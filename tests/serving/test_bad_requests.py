"""Ten thousand bad requests of all kinds, with good ones between them."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from serving.config import LimitsConfig, ListenConfig, ModelsConfig, ServiceConfig
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.runtime import InvalidRequestError
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningServer, RunningService
from tests.serving.small_bundles import ITEM, make_query

ROUNDS = 500
# Enough room for the slowest machine: none of these tests is about overload.
PATIENT = LimitsConfig(queue_ms=60_000, candidates=50)


def context_of(*values, names=()):
    return ranking_pb2.FeatureVector(names=names, values=values)


def matrix_of(matrix, names=()):
    return ranking_pb2.FeatureMatrix(names=names, values=np.asarray(matrix, "<f4").tobytes())


# What is changed in a sound request for 8 candidates, and the field that the refusal names.
MISTAKES = [
    ({"request_id": ""}, "request_id"),
    ({"item_ids": []}, "item_ids"),
    ({"item_ids": ["a"] * 8}, "item_ids"),
    ({"item_ids": ["\U0001f600" * 5000] * 8}, "item_ids"),
    ({"item_ids": ["", *"abcdefg"]}, "item_ids"),
    ({"item_ids": [f"i{row}" for row in range(51)]}, "item_ids"),
    ({"slate_size": 0}, "slate_size"),
    ({"slate_size": 2**32 - 1}, "slate_size"),
    ({"context": None}, "context"),
    ({"context": context_of(1, 2)}, "context"),
    ({"context": context_of(float("nan"))}, "context"),
    ({"context": context_of(1, names=["colour"])}, "context.names"),
    ({"context": context_of(1, names=["context_hour"] * 2)}, "context.names"),
    ({"context": context_of(1, 2, names=["context_hour"])}, "context.values"),
    ({"features": None}, "features"),
    ({"features": ranking_pb2.FeatureMatrix()}, "features.values"),
    ({"features": matrix_of(np.zeros(23))}, "features.values"),
    ({"features": matrix_of(np.full((8, 3), np.inf))}, "features"),
    ({"features": matrix_of(np.full((8, 3), 3e38))}, "features"),
    ({"features": matrix_of(np.zeros((8, 2)), ITEM[:2])}, "features.names"),
    ({"features": matrix_of(np.zeros((8, 4)), [*ITEM, "colour"])}, "features.names"),
    ({"features": matrix_of(np.zeros((8, 5)), [ITEM[0], *ITEM, ITEM[1]])}, "features.names"),
    ({"exploration": ranking_pb2.Exploration(temperature=0)}, "exploration.temperature"),
    ({"exploration": ranking_pb2.Exploration(temperature=float("nan"))}, "exploration.temperature"),
]


@pytest.fixture(scope="module")
def server(ranker):
    running = RunningServer(ranker, PATIENT)
    yield running
    running.stop()


@pytest.fixture
def stub(server):
    with grpc.insecure_channel(server.target) as channel:
        yield ranking_pb2_grpc.RankingServiceStub(channel)


def violation(status):
    bad_request: Message = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad_request)
    return bad_request.field_violations[0]


def placed(answer):
    return [item.item_id for item in answer.items]


def expected(ranker, query):
    return [query.item_ids[row] for row in ranker.rank(query).order]


@pytest.mark.parametrize(("changes", "field"), MISTAKES)
def test_a_mistake_is_refused_with_its_field_and_a_way_out(stub, changes, field):
    with pytest.raises(grpc.RpcError) as caught:
        stub.RankSlate(message_of(make_query(), **changes), timeout=30)
    status = rpc_status.from_call(caught.value)
    assert status.code == code_pb2.INVALID_ARGUMENT
    assert violation(status).field == field
    assert 10 < len(violation(status).description) <= 410


@pytest.mark.slow
def test_ten_thousand_mistakes_are_each_named_and_the_good_requests_between_them_answered(server, ranker):
    """Rounds of all mistakes in single calls and in calls of many, each beside good requests of its own."""

    def one_round(number):
        query = make_query(4 + number % 20, seed=number)
        good = message_of(query)
        single = number % 10 == 0
        with grpc.insecure_channel(server.target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            if single:
                for changes, field in MISTAKES:
                    with pytest.raises(grpc.RpcError) as caught:
                        stub.RankSlate(message_of(make_query(), **changes), timeout=60)
                    assert violation(rpc_status.from_call(caught.value)).field == field
                assert placed(stub.RankSlate(good, timeout=60)) == expected(ranker, query)
                return len(MISTAKES)
            requests = [message_of(make_query(), **changes) for changes, _ in MISTAKES]
            requests = [request for bad in requests for request in (bad, good)]
            results = stub.RankSlates(ranking_pb2.RankSlatesRequest(requests=requests), timeout=60).results
        for (_, field), refused, answered in zip(MISTAKES, results[::2], results[1::2], strict=True):
            assert violation(refused.error).field == field
            assert placed(answered.slate) == expected(ranker, query)
        return len(MISTAKES)

    with ThreadPoolExecutor(4) as threads:
        refused = sum(threads.map(one_round, range(ROUNDS)))
    assert refused >= 10_000


def test_of_a_million_names_the_first_surplus_one_is_refused(stub):
    many = context_of(1, names=[*["context_hour"] * 1_000_000, "colour"])
    with pytest.raises(grpc.RpcError, match="a feature is named twice"):
        stub.RankSlate(message_of(make_query(), context=many), timeout=60)


def test_what_is_no_request_among_the_services_methods_is_unimplemented(server):
    with grpc.insecure_channel(server.target) as channel:
        for method in ("/seriatim.v1.RankingService/Nothing", "/seriatim.v1.Nothing/RankSlate", "/"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"", timeout=30)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "version", ["../../etc/passwd", "/", ".", "..", "a/../b", "%2e%2e%2f", "a\x00b", "x" * 100_000]
)
def test_a_pinned_version_is_a_name_and_never_a_path(bundle, version):
    config = ServiceConfig(listen=ListenConfig(port=0), models=ModelsConfig(bundle=bundle.folder))
    running = RunningService(config)
    try:
        with grpc.insecure_channel(running.target) as channel:
            stub = ranking_pb2_grpc.RankingServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.RankSlate(message_of(make_query(), bundle_version=version), timeout=30)
    finally:
        running.stop()
    assert violation(rpc_status.from_call(caught.value)).field == "bundle_version"


@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("candidates", [2, 5, 6])
def test_features_that_lead_the_re_ranker_below_its_mask_are_refused_and_harm_no_other(ranker, candidates, explore):
    """Of logits under -1e9 the graph would take what it has placed already, or the padding of a shorter list."""
    low = make_query(candidates, slate_size=candidates, explore=explore)
    low.features[:] = [2, -1e10, 0]
    good = make_query(6, seed=3)
    alone, (refused, beside) = ranker.rank(good), ranker.rank_batch([low, good])
    assert isinstance(refused, InvalidRequestError)
    assert refused.description.startswith("the re-ranker overflows; the largest value is -1e+10, feature 'quality'")
    assert beside.order == alone.order
