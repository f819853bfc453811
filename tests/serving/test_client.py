"""The clients against the real service, and against a server that fails by script."""

import asyncio
import dataclasses

import numpy as np
import pandas as pd
import pytest

from seriatim_errors import ConfigError, ServiceError
from serving.client import (
    AsyncRankingClient,
    BusyError,
    DeadlineError,
    InvalidRequestError,
    RankedSlate,
    RankingClient,
    RankRequest,
    Tls,
    UnauthorisedError,
    clicked,
)
from serving.client.connection import Connection
from serving.client.messages import MOST_CANDIDATES, MOST_REQUESTS, batches_of
from serving.config import ServiceConfig
from serving.events import FeatureNames, Shown, read_events
from serving.runtime import Decoding
from serving.security.tokens import new_token
from tests.serving.credentials import entry, written
from tests.serving.faulty_server import FaultyServer
from tests.serving.running import RunningService
from tests.serving.served_process import until
from tests.serving.small_bundles import CONTEXT, ITEM, make_query
from tests.serving.small_cascades import file_of, make_image


@pytest.fixture(scope="module")
def service(bundle, image_cascade, tmp_path_factory):
    config = {
        "models": {"bundle": bundle.folder},
        "listen": {"port": 0},
        "events": {"folder": tmp_path_factory.mktemp("log"), "impressions": False},
        "images": {"cascade": image_cascade.folder, "buckets": [1, 2]},
    }
    running = RunningService(ServiceConfig.model_validate(config))
    yield running
    running.stop()


@pytest.fixture
def client(service):
    with RankingClient(service.target) as connected:
        yield connected


@pytest.fixture
def faulty():
    """Starts scripted servers, and stops them."""
    running = []

    def start(*answers):
        running.append(FaultyServer(*answers))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def request_of(query, **changes):
    request = RankRequest(query.request_id, query.item_ids, query.features, query.slate_size, query.context)
    return dataclasses.replace(request, **changes)


def ask(client, **options):
    return client.rank("r", ["a", "b"], np.zeros((2, 3)), 1, **options)


def asked(target, **options):
    """One slate by the asynchronous client."""

    async def work():
        async with AsyncRankingClient(target, **options) as client:
            return await ask(client), client.hedged

    return asyncio.run(work())


def test_a_slate_is_what_the_ranker_builds(client, ranker):
    query = make_query(seed=3)
    answer, expected = client.rank(*dataclasses.astuple(request_of(query))), ranker.rank(query)
    assert [item.item_id for item in answer.items] == [query.item_ids[row] for row in expected.order]
    assert (answer.decoding, answer.policy, answer.propensity) == (Decoding.FULL, "greedy", None)
    assert (answer.unknown_items, answer.logged) == (0, False)


def test_both_clients_answer_alike(client, service):
    query = make_query(seed=4)

    async def asynchronously():
        async with AsyncRankingClient(service.target) as other:
            return await other.rank(*dataclasses.astuple(request_of(query)))

    assert asyncio.run(asynchronously()) == client.rank(*dataclasses.astuple(request_of(query)))


def test_many_requests_are_answered_in_order_each_by_itself(client, service):
    requests = [request_of(make_query(seed=seed)) for seed in range(70)]
    requests[66] = dataclasses.replace(requests[66], slate_size=100)
    answers = client.rank_many(requests)
    assert len(answers) == 70
    assert isinstance(answers[66], InvalidRequestError)
    assert answers[66].field == "slate_size"
    sound = [place for place in range(70) if place != 66]
    assert [answers[place].request_id for place in sound] == [f"q{place}" for place in sound]

    async def asynchronously():
        async with AsyncRankingClient(service.target) as other:
            return await other.rank_many(requests)

    again = asyncio.run(asynchronously())
    assert [again[place] for place in sound] == [answers[place] for place in sound]


@pytest.mark.parametrize(("requests", "candidates"), [(200, 1), (10, 900), (3, 5000), (1, 1)])
def test_requests_go_in_calls_within_the_service_s_limits(requests, candidates):
    made = [RankRequest(f"r{number}", ["a"] * candidates, None, 1) for number in range(requests)]
    batches = list(batches_of(made))
    assert [request for batch in batches for request in batch] == made
    for batch in batches:
        assert len(batch) <= MOST_REQUESTS
        assert len(batch) == 1 or sum(len(request.item_ids) for request in batch) <= MOST_CANDIDATES


def make_frame(requests=3, candidates=6):
    rows = []
    for number in range(requests):
        query = make_query(candidates, seed=number)
        for item, features in zip(query.item_ids, query.features, strict=True):
            rows.append((query.request_id, item, *query.context, *features))
    return pd.DataFrame(rows, columns=["request_id", "item_id", *CONTEXT, *ITEM])


def test_a_table_of_candidates_becomes_a_table_of_slates(client, ranker):
    frame = make_frame().sample(frac=1, random_state=0)
    slates = client.rank_frame(frame, 4, features=ITEM[::-1], context=CONTEXT)
    assert list(slates.columns[:3]) == ["request_id", "item_id", "position"]
    assert list(dict.fromkeys(slates.request_id)) == list(dict.fromkeys(frame.request_id))
    for number in range(3):
        query = make_query(6, seed=number)
        expected = ranker.rank(query)
        found = slates[slates.request_id == query.request_id]
        assert found.item_id.tolist() == [query.item_ids[row] for row in expected.order]
        assert found.position.tolist() == [1, 2, 3, 4]
        np.testing.assert_allclose(found.probability, expected.probabilities, atol=1e-6)
    assert set(slates.decoding) == {"full"}


def test_mistakes_in_a_table_are_named(client):
    frame = make_frame()
    with pytest.raises(InvalidRequestError, match="cost: no such column") as caught:
        client.rank_frame(frame, 4, features=["cost"], context=CONTEXT)
    assert caught.value.field == "cost"
    frame.loc[0, CONTEXT[0]] += 1
    with pytest.raises(InvalidRequestError, match="varies within request 'q0'"):
        client.rank_frame(frame, 4, features=ITEM, context=CONTEXT)
    frame = make_frame()
    frame.loc[7, ITEM[0]] = np.nan
    with pytest.raises(InvalidRequestError, match="features"):
        client.rank_frame(frame, 4, features=ITEM, context=CONTEXT)


def test_events_are_recorded_once_and_read_back(client, service):
    names = FeatureNames(("hour",), ("price",))
    numbers = np.ones(1, np.float32), np.ones((2, 1), np.float32)
    shown = Shown("shown-1", 1_700_000_000_000_000, "r1", ("a", "b"), (1, 2), (0.5, None), names, *numbers, user_id="u")
    acted = clicked("acted-1", "r1", "a", value=2.5)
    assert client.record_events([shown, acted]).recorded == 2
    again = client.record_events([acted])
    assert (again.recorded, again.duplicates) == (0, 1)
    read = read_events(service.service.config.events.folder)
    assert (read.shown[0]["item_ids"], read.shown[0]["propensities"]) == (["a", "b"], [0.5, None])
    assert read.shown[0]["time"] == shown.time
    assert (read.acted[0]["value"], read.acted[0]["time"]) == (2.5, acted.time)


def test_images_are_scored_by_their_ids(client, image_cascade):
    first, second = client.score_images({"one": file_of(make_image(1)), "two": file_of(make_image(2))})
    assert (first.image_id, second.image_id) == ("one", "two")
    assert tuple(first.probabilities) == image_cascade.manifest.class_names
    assert sum(first.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert first.embedding.shape == (2,)
    with pytest.raises(InvalidRequestError):
        client.score_images({"one": b"no image"})


def test_versions_are_listed_and_rules_refused_by_name(client, bundle):
    [model] = client.list_models().models
    assert model.version == bundle.manifest.version
    with pytest.raises(ServiceError, match="FAILED_PRECONDITION"):
        client.roll_back()


def test_without_features_a_service_without_a_store_says_so(client):
    with pytest.raises(InvalidRequestError, match="no feature store"):
        client.rank("r", ["a"], None, 1)


@pytest.mark.parametrize("compression", [False, True])
def test_a_call_is_sent_again_when_its_server_is_gone(faulty, compression):
    server = faulty("unavailable", "unavailable", "ok")
    with RankingClient(server.target, compression=compression) as client:
        assert ask(client).bundle_version == "ok"
    assert len(server.script.asked) == 3
    server = faulty("unavailable", "unavailable", "ok")
    assert asked(server.target)[0].bundle_version == "ok"


def test_without_retries_it_is_not(faulty):
    server = faulty("unavailable", "ok")
    with RankingClient(server.target, retries=False) as client, pytest.raises(ServiceError):
        ask(client)
    assert len(server.script.asked) == 1


def test_a_busy_service_is_asked_again_when_it_says_so(faulty):
    server = faulty("busy", "busy", "ok")
    with RankingClient(server.target) as client:
        assert ask(client).bundle_version == "ok"
    server = faulty("busy", "ok")
    assert asked(server.target)[0].bundle_version == "ok"


def test_a_busy_service_that_wants_more_time_than_there_is_is_named(faulty):
    server = faulty("busy for long")
    with RankingClient(server.target) as client, pytest.raises(BusyError, match="too much") as caught:
        ask(client)
    assert caught.value.retry_after == pytest.approx(1000)
    with pytest.raises(BusyError):
        asked(server.target)


def test_what_failed_for_good_is_not_sent_again(faulty):
    server = faulty("failed", "ok")
    with RankingClient(server.target) as client, pytest.raises(ServiceError, match="INTERNAL: broken"):
        ask(client)
    assert len(server.script.asked) == 1


def test_a_deadline_is_kept_and_named(faulty):
    server = faulty("held")
    with RankingClient(server.target) as client, pytest.raises(DeadlineError):
        ask(client, timeout=0.05)
    with pytest.raises(DeadlineError):
        asked(server.target, timeout=0.05)


def test_a_slow_call_is_hedged_and_the_loser_cancelled(faulty):
    server = faulty("held", "ok")
    answer, hedged = asked(server.target, hedge_after=0.01)
    assert (answer.bundle_version, hedged) == ("ok", 1)
    until(lambda: server.script.cancelled == 1)


def test_a_quick_call_is_not_hedged(faulty):
    server = faulty("ok")
    answer, hedged = asked(server.target, hedge_after=20)
    assert (answer.bundle_version, hedged, len(server.script.asked)) == ("ok", 0, 1)


def test_a_hedge_that_fails_leaves_the_first_call_its_chance(faulty):
    server = faulty("held", "failed")

    async def work():
        async with AsyncRankingClient(server.target, hedge_after=0.01) as client:
            call = asyncio.ensure_future(ask(client))
            while len(server.script.asked) < 2:
                await asyncio.sleep(0)
            server._loop.call_soon_threadsafe(server.script.release.set)
            return await call

    assert asyncio.run(work()).bundle_version == "held"


def test_calls_are_spread_over_several_servers(faulty):
    servers = [faulty("ok"), faulty("ok")]
    with RankingClient([server.target for server in servers]) as client:
        # A server is asked from when its connection stands.
        for _ in range(1000):
            ask(client)
            if all(server.script.asked for server in servers):
                break
    assert all(server.script.asked for server in servers)


def test_the_token_goes_with_every_call_and_shows_nowhere_else(faulty):
    server = faulty("ok")
    with RankingClient(server.target, token="s3cret") as client:
        ask(client)
        [(_, metadata)] = server.script.asked
        assert metadata["authorization"] == "Bearer s3cret"
        assert "s3cret" not in repr(client._connection)
    assert "s3cret" not in repr(Connection(("a:1",), token="s3cret"))


def test_a_service_with_tokens_refuses_by_name(bundle, tmp_path):
    tokens = written(tmp_path / "tokens.yaml", entry(new_token()))
    listen = {"port": 0, "tokens": tokens}
    running = RunningService(ServiceConfig.model_validate({"models": {"bundle": bundle.folder}, "listen": listen}))
    try:
        with RankingClient(running.target, token="wrong") as client, pytest.raises(UnauthorisedError):
            ask(client)
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": ""}, "target is empty"),
        ({"target": []}, "target is empty"),
        ({"target": "a:1", "tls": Tls(certificate="c.pem")}, "belong together"),
        ({"target": "a:1", "tls": Tls(ca="none.pem")}, r"none\.pem.*give a readable PEM"),
    ],
)
def test_a_connection_that_cannot_be_is_named(options, message, tmp_path):
    if "tls" in options:
        paths = {name: value and tmp_path / value for name, value in options["tls"].__dict__.items()}
        options = {**options, "tls": Tls(**paths)}
    with pytest.raises(ConfigError, match=message):
        RankingClient(**options)


def test_a_slate_is_a_value(client):
    query = make_query(seed=5)
    answers = {client.rank(*dataclasses.astuple(request_of(query))) for _ in range(2)}
    assert len(answers) == 1
    assert isinstance(answers.pop(), RankedSlate)


def test_health_is_that_of_the_service_and_of_each_of_its_services(client):
    assert client.healthy()
    assert client.healthy("seriatim.v1.RankingService")
    with pytest.raises(ServiceError, match="NOT_FOUND"):
        client.healthy("seriatim.v1.Other")
