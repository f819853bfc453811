"""RecordEvents, and the service's own log of its slates."""

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from serving.config import ServiceConfig
from serving.events import EventLog, EventLogError, read_events
from serving.events.records import unpacked
from serving.proto.seriatim.v1 import events_pb2, events_pb2_grpc, ranking_pb2, ranking_pb2_grpc
from serving.rpc.events import events_of
from serving.runtime import InvalidRequestError
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningServer, RunningService
from tests.serving.small_bundles import make_query

CLICK = events_pb2.Interaction(item_id="a", action="click")
ITEM = events_pb2.ShownItem(
    item_id="a", position=1, propensity=0.5, features=ranking_pb2.FeatureVector(names=["price"], values=[1.5])
)


def event(number=0, **changes):
    fields = {"event_id": f"e{number}", "request_id": "r", "interaction": CLICK}
    if "impression" in changes:
        del fields["interaction"]
    return events_pb2.Event(**{**fields, **changes})


def impression(**changes):
    return event(impression=events_pb2.Impression(**{"items": [ITEM], **changes}))


def item(**changes):
    fields = {"item_id": "b", "position": 2, "features": ITEM.features}
    return events_pb2.ShownItem(**{**fields, **changes})


BAD = [
    ("events[0].event_id", event(event_id=""), "empty"),
    ("events[0].event_id", event(event_id="x" * 129), "129 bytes; give at most 128"),
    ("events[0].request_id", event(request_id=""), "empty"),
    ("events[0].kind", events_pb2.Event(event_id="e", request_id="r"), "neither impression nor interaction"),
    ("events[0].interaction.item_id", event(interaction=events_pb2.Interaction(action="click")), "empty"),
    ("events[0].interaction.action", event(interaction=events_pb2.Interaction(item_id="a")), "empty"),
    (
        "events[0].interaction.value",
        event(interaction=events_pb2.Interaction(item_id="a", action="buy", value=float("inf"))),
        "inf; give a finite number",
    ),
    ("events[0].impression.items", impression(items=[]), "0 items; give 1 to 1000"),
    ("events[0].impression.items", impression(items=[ITEM, ITEM]), "a position stands twice"),
    ("events[0].impression.items", impression(items=[ITEM, item(item_id="a")]), "a item_id stands twice"),
    ("events[0].impression.items[1].position", impression(items=[ITEM, item(position=0)]), "positions count from 1"),
    ("events[0].impression.items[1].propensity", impression(items=[ITEM, item(propensity=0)]), "0; give a probability"),
    (
        "events[0].impression.items[1].features.names",
        impression(items=[ITEM, item(features=ranking_pb2.FeatureVector(names=["age"], values=[1]))]),
        "other names than those of the first item",
    ),
    (
        "events[0].impression.context.values",
        impression(context=ranking_pb2.FeatureVector(names=["hour"], values=[float("nan")])),
        "feature 'hour' is nan",
    ),
    (
        "events[0].impression.context.values",
        impression(context=ranking_pb2.FeatureVector(names=["hour"])),
        "0 values for 1 names",
    ),
]


@pytest.mark.parametrize(("field", "bad", "message"), BAD)
def test_a_bad_event_is_refused_with_its_field(field, bad, message):
    with pytest.raises(InvalidRequestError, match=message) as caught:
        events_of(events_pb2.RecordEventsRequest(events=[bad]), now=0)
    assert caught.value.field == field


def test_too_many_events_are_refused():
    with pytest.raises(InvalidRequestError, match="1001 events; give at most 1000"):
        events_of(events_pb2.RecordEventsRequest(events=[event(number) for number in range(1001)]), now=0)


@pytest.fixture
def service(bundle, tmp_path):
    running = RunningService(
        ServiceConfig.model_validate(
            {
                "models": {"bundle": bundle.folder},
                "events": {"folder": tmp_path / "log"},
                "listen": {"port": 0},
                "exploration": {"policy": "epsilon", "share": 1, "epsilon": 0.5},
            }
        )
    )
    yield running
    running.stop()


@pytest.fixture
def channel(service):
    with grpc.insecure_channel(service.target) as opened:
        yield opened


def test_slates_and_events_are_recorded_once_and_read_back(service, channel, bundle, tmp_path):
    ranking, events = ranking_pb2_grpc.RankingServiceStub(channel), events_pb2_grpc.EventServiceStub(channel)
    query = make_query(8)
    for _ in range(2):
        answer = ranking.RankSlate(message_of(query, user_id="u7"), timeout=10)
        assert answer.logged
    clicked = event(interaction=events_pb2.Interaction(item_id=answer.items[0].item_id, action="click"))
    assert events.RecordEvents(events_pb2.RecordEventsRequest(events=[clicked]), timeout=10).recorded == 1
    again = events.RecordEvents(events_pb2.RecordEventsRequest(events=[clicked, event(1)]), timeout=10)
    assert (again.recorded, again.duplicates) == (1, 1)
    read = read_events(tmp_path / "log")
    [shown] = read.shown
    assert shown["item_ids"] == [placed.item_id for placed in answer.items]
    assert shown["propensity"] == pytest.approx(answer.propensity)
    assert (shown["user_id"], shown["policy"], shown["bundle_version"]) == ("u7", "epsilon", bundle.manifest.version)
    rows = [query.item_ids.index(name) for name in shown["item_ids"]]
    np.testing.assert_array_equal(unpacked(shown["features"], 3), query.features[rows])
    placed = [place.probability if place.HasField("probability") else None for place in answer.items]
    assert shown["propensities"] == placed
    assert len(read.acted) == 2


def test_impressions_of_other_rankers_are_recorded_with_their_features(channel, tmp_path):
    events = events_pb2_grpc.EventServiceStub(channel)
    shown = impression(context=ranking_pb2.FeatureVector(names=["hour"], values=[3]))
    shown.time.FromMicroseconds(1_700_000_000_000_000)
    events.RecordEvents(events_pb2.RecordEventsRequest(events=[shown]), timeout=10)
    read = read_events(tmp_path / "log")
    [fields] = read.shown
    names = read.names[fields["names"]]
    assert (names.context, names.item, fields["time"]) == (("hour",), ("price",), 1_700_000_000_000_000)
    assert unpacked(fields["features"], 1).tolist() == [[1.5]]


def test_a_log_that_fails_costs_no_slate_and_says_so(ranker, tmp_path, monkeypatch, caplog):
    log = EventLog(tmp_path)

    def full(events):
        raise EventLogError("no room")

    monkeypatch.setattr(log, "append", full)
    running = RunningServer(ranker, events=log)
    try:
        with grpc.insecure_channel(running.target) as channel:
            answer = ranking_pb2_grpc.RankingServiceStub(channel).RankSlate(message_of(make_query()), timeout=10)
    finally:
        running.stop()
    assert answer.items
    assert not answer.logged
    assert "no room" in caplog.text


def test_events_that_cannot_be_written_are_to_be_sent_again(service, channel, monkeypatch):
    def full(events):
        raise EventLogError("no room")

    monkeypatch.setattr(service.service.events, "append", full)
    with pytest.raises(grpc.RpcError) as caught:
        events_pb2_grpc.EventServiceStub(channel).RecordEvents(
            events_pb2.RecordEventsRequest(events=[event()]), timeout=10
        )
    monkeypatch.undo()
    status = rpc_status.from_call(caught.value)
    retry = error_details_pb2.RetryInfo()
    assert status.code == code_pb2.UNAVAILABLE
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds > 0


def test_a_service_without_a_log_refuses_events_by_name(bundle):
    running = RunningService(ServiceConfig.model_validate({"models": {"bundle": bundle.folder}, "listen": {"port": 0}}))
    try:
        with grpc.insecure_channel(running.target) as channel, pytest.raises(grpc.RpcError) as caught:
            events_pb2_grpc.EventServiceStub(channel).RecordEvents(
                events_pb2.RecordEventsRequest(events=[event()]), timeout=10
            )
    finally:
        running.stop()
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "set events.folder" in caught.value.details()
