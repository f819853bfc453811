"""EventService: what was shown and done, into the log."""

from __future__ import annotations

import asyncio
import math
import time

import grpc
import numpy as np
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from serving.events import Acted, Event, EventLog, EventLogError, FeatureNames, Shown
from serving.proto.seriatim.v1 import events_pb2, events_pb2_grpc, ranking_pb2
from serving.rpc.errors import status_of, with_details
from serving.rpc.observer import NoObserver, Observer
from serving.runtime.query import InvalidRequestError

MOST_EVENTS, MOST_ITEMS = 1000, 1000
LONGEST_ID, LONGEST_ACTION = 128, 64
RETRY_SECONDS = 5


class EventServicer(events_pb2_grpc.EventServiceServicer):
    """Appends to the log of this process; None refuses all events by name."""

    def __init__(self, log: EventLog | None, observer: Observer | None = None) -> None:
        self._log = log
        self._observer: Observer = observer if observer is not None else NoObserver()

    async def RecordEvents(  # noqa: N802  (the name is the protocol's)
        self, request: events_pb2.RecordEventsRequest, context: grpc.aio.ServicerContext
    ) -> events_pb2.RecordEventsResponse:
        """Check all events, then write all; a thread waits for the disk."""
        log = self._log
        if log is None:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "this service keeps no event log; set events.folder"
            )
            raise AssertionError("abort raises")
        try:
            events = events_of(request, time.time_ns() // 1000)
            done = await asyncio.to_thread(log.append, events)
        except InvalidRequestError as error:
            status = rpc_status.to_status(status_of(error))
            await context.abort(status.code, status.details, status.trailing_metadata)
        except EventLogError as error:
            self._observer.events("failed", len(events))
            retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_SECONDS))
            status = rpc_status.to_status(with_details(code_pb2.UNAVAILABLE, str(error), retry))
            await context.abort(status.code, status.details, status.trailing_metadata)
        self._observer.events("recorded", done.recorded)
        self._observer.events("duplicate", done.duplicates)
        return events_pb2.RecordEventsResponse(recorded=done.recorded, duplicates=done.duplicates)


def events_of(request: events_pb2.RecordEventsRequest, now: int) -> list[Event]:
    """The message as events; those without a time happened `now`, in microseconds since 1970.

    Raises:
        InvalidRequestError: an event breaks the protocol's rules; the field says which one.
    """
    if len(request.events) > MOST_EVENTS:
        raise InvalidRequestError("events", f"{len(request.events)} events; give at most {MOST_EVENTS} in a call")
    return [_event(event, f"events[{place}]", now) for place, event in enumerate(request.events)]


def _event(event: events_pb2.Event, field: str, now: int) -> Event:
    _require_text(f"{field}.event_id", event.event_id, LONGEST_ID)
    _require_text(f"{field}.request_id", event.request_id, None)
    moment = event.time.ToMicroseconds() if event.HasField("time") else now
    kind = event.WhichOneof("kind")
    if kind == "impression":
        return _shown(event, f"{field}.impression", moment)
    if kind == "interaction":
        return _acted(event, f"{field}.interaction", moment)
    raise InvalidRequestError(f"{field}.kind", "neither impression nor interaction; give one of them")


def _acted(event: events_pb2.Event, field: str, moment: int) -> Acted:
    acted = event.interaction
    _require_text(f"{field}.item_id", acted.item_id, None)
    _require_text(f"{field}.action", acted.action, LONGEST_ACTION)
    value = acted.value if acted.HasField("value") else 1.0
    if not math.isfinite(value):
        raise InvalidRequestError(f"{field}.value", f"{value}; give a finite number")
    return Acted(event.event_id, moment, event.request_id, acted.item_id, acted.action, value)


def _shown(event: events_pb2.Event, field: str, moment: int) -> Shown:
    shown = event.impression
    items = shown.items
    if not 1 <= len(items) <= MOST_ITEMS:
        raise InvalidRequestError(f"{field}.items", f"{len(items)} items; give 1 to {MOST_ITEMS}")
    names = tuple(items[0].features.names)
    for place, item in enumerate(items):
        _require_item(item, f"{field}.items[{place}]", names)
    for what, values in (
        ("position", [item.position for item in items]),
        ("item_id", [item.item_id for item in items]),
    ):
        if len(set(values)) != len(values):
            raise InvalidRequestError(f"{field}.items", f"a {what} stands twice; give each once")
    _require_vector(f"{field}.context", shown.context)
    return Shown(
        event_id=event.event_id,
        time=moment,
        request_id=event.request_id,
        item_ids=tuple(item.item_id for item in items),
        positions=tuple(item.position for item in items),
        propensities=tuple(item.propensity if item.HasField("propensity") else None for item in items),
        names=FeatureNames(tuple(shown.context.names), names),
        context=np.array(shown.context.values, np.float32),
        features=np.array([item.features.values for item in items], np.float32).reshape(len(items), len(names)),
        user_id=shown.user_id,
        bundle_version=shown.bundle_version,
    )


def _require_item(item: events_pb2.ShownItem, field: str, names: tuple[str, ...]) -> None:
    _require_text(f"{field}.item_id", item.item_id, None)
    if item.position < 1:
        raise InvalidRequestError(f"{field}.position", "0; positions count from 1")
    if item.HasField("propensity") and not 0 < item.propensity <= 1:
        raise InvalidRequestError(f"{field}.propensity", f"{item.propensity:g}; give a probability in (0, 1]")
    if tuple(item.features.names) != names:
        raise InvalidRequestError(
            f"{field}.features.names", "other names than those of the first item; name the same for all"
        )
    _require_vector(f"{field}.features", item.features)


def _require_vector(field: str, vector: ranking_pb2.FeatureVector) -> None:
    if len(vector.names) != len(vector.values):
        raise InvalidRequestError(
            f"{field}.values", f"{len(vector.values)} values for {len(vector.names)} names; give one value a name"
        )
    if len(set(vector.names)) != len(vector.names):
        raise InvalidRequestError(f"{field}.names", "a feature is named twice; name each once")
    for name, value in zip(vector.names, vector.values, strict=True):
        if not math.isfinite(value):
            raise InvalidRequestError(f"{field}.values", f"feature {name!r} is {value}; give finite numbers")


def _require_text(field: str, text: str, longest: int | None) -> None:
    if not text:
        raise InvalidRequestError(field, "empty; give one")
    if longest is not None and len(text.encode()) > longest:
        raise InvalidRequestError(field, f"{len(text.encode())} bytes; give at most {longest}")
