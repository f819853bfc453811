"""The service over a real connection on loopback."""

import asyncio
import dataclasses
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from hypothesis import event, given, settings
from hypothesis import strategies as st

from seriatim_errors import ServiceError
from serving.client import RankingClient
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.requests import query_of
from serving.runtime import InvalidRequestError
from serving.server import GrpcServer
from tests.serving.running import SERVICE, RunningServer
from tests.serving.small_bundles import ITEM, make_query

NAMES = st.sampled_from(["", "a", "b", "c", "price", "quality", "age", "context_hour", "\u00e9"])
FLOATS = st.floats(width=32)
MATRICES = st.lists(FLOATS, min_size=6, max_size=6).map(lambda row: np.array(row, "<f4").tobytes())
# Each part of a message is valid where it is not given.
VALID = {
    "request_id": "r",
    "item_ids": ["a", "b"],
    "context": ranking_pb2.FeatureVector(values=[0.5]),
    "features": ranking_pb2.FeatureMatrix(values=bytes(24)),
    "slate_size": 2,
}
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "request_id": st.sampled_from(["", "\u00e9"]),
        "item_ids": st.lists(NAMES, max_size=4),
        "context": st.builds(
            ranking_pb2.FeatureVector, names=st.lists(NAMES, max_size=2), values=st.lists(FLOATS, max_size=2)
        ),
        "features": st.builds(
            ranking_pb2.FeatureMatrix,
            names=st.just([]) | st.permutations(ITEM) | st.lists(NAMES, max_size=4),
            values=MATRICES | st.binary(max_size=30),
        ),
        "slate_size": st.integers(0, 3) | st.just(2**32 - 1),
        "exploration": st.builds(ranking_pb2.Exploration, temperature=FLOATS),
    },
)


@pytest.fixture(scope="module")
def server(ranker):
    running = RunningServer(ranker)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def labelled_server(labelled_ranker):
    running = RunningServer(labelled_ranker)
    yield running
    running.stop()


@pytest.fixture
def client(server):
    with RankingClient(server.target) as connected:
        yield connected


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.target) as opened:
        yield opened


def ask(client, query, **changes):
    arguments = {
        "request_id": query.request_id,
        "item_ids": query.item_ids,
        "features": query.features,
        "slate_size": query.slate_size,
        "context": query.context,
    }
    return client.rank(**{**arguments, **changes})


def test_the_service_answers_what_the_runtime_ranks(client, ranker):
    query = make_query(12, seed=8)
    slate, expected = ask(client, query), ranker.rank(query)
    assert [item.item_id for item in slate.items] == [query.item_ids[row] for row in expected.order]
    assert slate.bundle_version == ranker.version
    assert slate.propensity is None
    np.testing.assert_allclose(
        [item.base_score for item in slate.items], expected.base_scores[list(expected.order)], rtol=1e-6
    )
    assert [item.passed_gate for item in slate.items] == expected.passed[list(expected.order)].tolist()


def test_the_answer_lists_tags_that_are_there_and_the_states_of_other_labels(labelled_server, labelled_ranker):
    query = make_query(12, seed=8, slate_size=12)
    states = labelled_ranker.rank(query).labels
    with RankingClient(labelled_server.target) as client:
        slate = ask(client, query)
    for item, (new, popular, size) in zip(slate.items, states, strict=True):
        tags = {name: "" for name, state in (("tag_new", new), ("tag_popular", popular)) if state == 1}
        assert item.labels == {**tags, "size": ("small", "medium", "large")[size]}
    assert len({tuple(item.labels) for item in slate.items}) > 1


def test_a_labeller_changes_nothing_else_in_the_answer(client, labelled_server):
    query = make_query(12, seed=8, slate_size=12)
    with RankingClient(labelled_server.target) as labelled:
        answer = ask(labelled, query)
    unlabelled = ask(client, query)
    assert [item.labels for item in unlabelled.items] == [{}] * 12
    assert tuple(dataclasses.replace(item, labels={}) for item in answer.items) == unlabelled.items


def test_exploring_answers_the_propensity(client):
    slate = ask(client, make_query(12, seed=8), temperature=1.0)
    assert slate.propensity == pytest.approx(np.prod([item.probability for item in slate.items]))


def test_named_features_may_come_in_any_order(client):
    query = make_query(12, seed=8)
    shuffled = ask(
        client, query, features=query.features[:, [2, 0, 1]], feature_names=[ITEM[2], ITEM[0], ITEM[1]],
        context_names=["context_hour"],
    )  # fmt: skip
    assert shuffled.items == ask(client, query).items


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"request_id": ""}, "request_id", "empty"),
        ({"feature_names": ["price", "quality", "colour"]}, "features.names", "unknown feature 'colour'"),
        (
            {"feature_names": ["price", "quality"], "features": np.zeros((8, 2))},
            "features.names",
            "feature 'age' is missing",
        ),
        (
            {"feature_names": ["price", "quality", "age", "age"], "features": np.zeros((8, 4))},
            "features.names",
            "named twice",
        ),
        ({"features": np.zeros((8, 2))}, "features.values", "64 bytes, expected 96"),
        ({"context": [1.0, 2.0]}, "context", "2 values"),
        ({"context": [1.0, 2.0], "context_names": ["context_hour"]}, "context.values", "2 values for 1 names"),
        ({"features": np.full((8, 3), np.nan)}, "features", "feature 'price' of item 'i0' is nan"),
        ({"slate_size": 9}, "slate_size", "9 for 8 candidates"),
        ({"item_ids": [], "features": []}, "item_ids", "no candidates"),
        ({"item_ids": []}, "item_ids", "no candidates"),
        ({"item_ids": ["a"] * 8}, "item_ids", "item 'a' stands twice"),
        ({"features": np.zeros((3, 8))}, "features", r"shape \(3, 8\) for 8 candidates; give one row a candidate"),
        ({"features": [["much"] * 3] * 8}, "features", "could not convert"),
        ({"features": np.full((8, 3), 1e300)}, "features", "feature 'price' of item 'i0' is inf"),
        ({"context": [np.nan]}, "context", "feature 'context_hour' is nan"),
        ({"context_names": ["context_day"]}, "context.names", "unknown feature 'context_day'"),
        ({"slate_size": -1}, "slate_size", "-1; give 1 to"),
        ({"slate_size": 0}, "slate_size", "0; give 1 to"),
        ({"slate_size": 2**40}, "slate_size", "give 1 to"),
        ({"feature_names": ["x" * 20_000] * 3}, "features.names", "unknown feature"),
        ({"temperature": -1.0}, "exploration.temperature", "-1; give 0.001 to 1000"),
    ],
)
def test_a_bad_request_comes_back_as_the_same_named_error(client, changes, field, message):
    with pytest.raises(InvalidRequestError, match=message) as caught:
        ask(client, make_query(), **changes)
    assert caught.value.field == field


def test_the_status_carries_a_bad_request_detail(channel):
    stub = ranking_pb2_grpc.RankingServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.RankSlate(ranking_pb2.RankSlateRequest(request_id="r"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)
    assert status.code == code_pb2.INVALID_ARGUMENT
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "item_ids"


def test_health_answers_for_the_server_and_the_service(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):
        status = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status
        assert status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_service(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    [answer] = stub.ServerReflectionInfo(iter([request]), timeout=10)
    assert SERVICE in [service.name for service in answer.list_services_response.service]


def test_a_port_in_use_is_a_named_error(server):
    async def second():
        await GrpcServer({}, port=server.port).start()

    with pytest.raises(ServiceError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        asyncio.run(second())


def test_a_service_that_is_not_there_is_a_named_error(ranker):
    stopped = RunningServer(ranker)
    stopped.stop()
    with (
        RankingClient(stopped.target, timeout=2) as client,
        pytest.raises(ServiceError, match="no service answers at"),
    ):
        ask(client, make_query())


def test_malformed_bytes_do_not_bring_the_service_down(channel, client):
    raw = channel.unary_unary(f"/{SERVICE}/RankSlate", request_serializer=None, response_deserializer=None)
    with pytest.raises(grpc.RpcError):
        raw(b"\xff\xff\xff\xff", timeout=10)
    assert ask(client, make_query()).items


def test_no_call_gets_the_answer_of_another(server, ranker):
    queries = [make_query(5 + seed % 9, seed=seed) for seed in range(40)]
    with RankingClient(server.target) as client, ThreadPoolExecutor(8) as callers:
        slates = list(callers.map(lambda query: ask(client, query), queries))
    for query, slate in zip(queries, slates, strict=True):
        assert slate.request_id == query.request_id
        assert [item.item_id for item in slate.items] == [query.item_ids[row] for row in ranker.rank(query).order]


def test_a_stopping_server_says_so_to_those_who_watch_its_health(ranker):
    stopping = RunningServer(ranker)
    with grpc.insecure_channel(stopping.target) as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        stopping.stop(grace=1)
        assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING


@settings(deadline=None, max_examples=150)
@given(parts=PARTS)
def test_whatever_is_asked_there_is_a_slate_or_a_named_refusal(ranker, parts):
    message = ranking_pb2.RankSlateRequest(**{**VALID, **parts})
    try:
        slate = ranker.rank(query_of(message, ranker))
    except InvalidRequestError as error:
        event(f"refused: {error.field}")
    else:
        event("ranked")
        assert len(slate.order) == message.slate_size
