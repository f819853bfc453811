"""Between NumPy and the protocol: requests are made here, and answers read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from google.protobuf import timestamp_pb2
from numpy.typing import ArrayLike, NDArray

from serving.events.records import Acted, Event, FeatureNames, Shown
from serving.proto.seriatim.v1 import events_pb2, images_pb2, ranking_pb2
from serving.runtime.query import Decoding, InvalidRequestError

MAX_SLATE_SIZE = 2**32 - 1
# What the service takes in one RankSlates.
MOST_REQUESTS, MOST_CANDIDATES = 64, 4000
DECODINGS = {
    ranking_pb2.DECODING_FULL: Decoding.FULL,
    ranking_pb2.DECODING_ONE_STEP: Decoding.ONE_STEP,
    ranking_pb2.DECODING_BASE: Decoding.BASE,
}


@dataclass(frozen=True)
class RankRequest:
    """One request.

    Attributes:
        request_id: not empty; the service's traffic shares and exploration follow it.
        item_ids: candidates.
        features: float `[candidates, item features]`; None: the service looks the items up.
        slate_size: items to place.
        context: float `[context features]`.
        feature_names, context_names: names of the columns; empty for the bundle's own order.
        temperature: set to explore.
        bundle_version: pins a version; empty: the service's traffic rules choose.
        user_id: for the event log.
    """

    request_id: str
    item_ids: Sequence[str]
    features: ArrayLike | None
    slate_size: int
    context: ArrayLike = ()
    feature_names: Sequence[str] = ()
    context_names: Sequence[str] = ()
    temperature: float | None = None
    bundle_version: str = ""
    user_id: str = ""


@dataclass(frozen=True)
class PlacedItem:
    """One place of a slate; see `PlacedItem` in the protocol.

    `labels` gives each label's state by name; a tag is there only where the item has it, with an empty state.
    """

    item_id: str
    base_score: float
    gate_score: float | None
    passed_gate: bool
    probability: float | None
    labels: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class RankedSlate:
    """A slate as the service answered it.

    Attributes:
        propensity: probability of the whole slate; None for a deterministic one.
        decoding: how much decoding the caller's deadline left time for.
        policy: `greedy`, `temperature` or `epsilon`.
        unknown_items: candidates that were ranked with default features.
        logged: whether the service wrote the slate into its event log.
    """

    request_id: str
    items: tuple[PlacedItem, ...]
    propensity: float | None
    bundle_version: str
    decoding: Decoding = Decoding.FULL
    policy: str = "greedy"
    unknown_items: int = 0
    logged: bool = False


@dataclass(frozen=True)
class ScoredImage:
    """An image's scores; see docs/images.md.

    Attributes:
        probabilities: by class name.
        embedding: float32 `[width]`; empty for a cascade without.
    """

    image_id: str
    probabilities: Mapping[str, float]
    embedding: NDArray[np.float32] = field(hash=False, compare=False)
    confidence: float
    exit_stage: int
    cut_short: bool
    cascade_version: str


def message_of(request: RankRequest) -> ranking_pb2.RankSlateRequest:
    """The request as it goes over the wire.

    Raises:
        InvalidRequestError: something in it is no number, or the matrix has another number of rows than candidates.
    """
    message = ranking_pb2.RankSlateRequest(
        request_id=request.request_id,
        item_ids=request.item_ids,
        context=ranking_pb2.FeatureVector(names=request.context_names, values=_numbers("context", request.context)),
        slate_size=_slate_size(request.slate_size),
        bundle_version=request.bundle_version,
        user_id=request.user_id,
    )
    if request.features is not None:
        message.features.names.extend(request.feature_names)
        message.features.values = _rows(request.features, len(request.item_ids)).tobytes()
    if request.temperature is not None:
        message.exploration.temperature = request.temperature
    return message


def batches_of(requests: Sequence[RankRequest]) -> Iterator[list[RankRequest]]:
    """Requests in order, as many together as the service takes in one call."""
    batch: list[RankRequest] = []
    candidates = 0
    for request in requests:
        if batch and (len(batch) == MOST_REQUESTS or candidates + len(request.item_ids) > MOST_CANDIDATES):
            yield batch
            batch, candidates = [], 0
        batch.append(request)
        candidates += len(request.item_ids)
    if batch:
        yield batch


def slate_of(response: ranking_pb2.RankSlateResponse) -> RankedSlate:
    """The answer."""
    return RankedSlate(
        request_id=response.request_id,
        items=tuple(
            PlacedItem(
                item_id=item.item_id,
                base_score=item.base_score,
                gate_score=item.gate_score if item.HasField("gate_score") else None,
                passed_gate=item.passed_gate,
                probability=item.probability if item.HasField("probability") else None,
                labels={label.name: label.value for label in item.labels},
            )
            for item in response.items
        ),
        propensity=response.propensity if response.HasField("propensity") else None,
        bundle_version=response.bundle_version,
        decoding=DECODINGS.get(response.decoding, Decoding.FULL),
        policy=response.policy,
        unknown_items=response.unknown_items,
        logged=response.logged,
    )


def events_message(events: Sequence[Event]) -> events_pb2.RecordEventsRequest:
    """Events as they go over the wire."""
    return events_pb2.RecordEventsRequest(events=[_event(event) for event in events])


def scored_images(response: images_pb2.ScoreImagesResponse) -> list[ScoredImage]:
    """The scores of every image, in the order they were sent."""
    return [
        ScoredImage(
            image_id=score.image_id,
            probabilities=dict(zip(response.class_names, score.probabilities, strict=True)),
            embedding=np.array(score.embedding, np.float32),
            confidence=score.confidence,
            exit_stage=score.exit_stage,
            cut_short=score.cut_short,
            cascade_version=response.cascade_version,
        )
        for score in response.scores
    ]


def clicked(event_id: str, request_id: str, item_id: str, action: str = "click", value: float = 1.0) -> Acted:
    """What a user did just now, as an event."""
    return Acted(event_id, time.time_ns() // 1000, request_id, item_id, action, value)


def _event(event: Event) -> events_pb2.Event:
    moment = timestamp_pb2.Timestamp()
    moment.FromMicroseconds(event.time)
    message = events_pb2.Event(event_id=event.event_id, time=moment, request_id=event.request_id)
    if isinstance(event, Acted):
        message.interaction.item_id, message.interaction.action = event.item_id, event.action
        message.interaction.value = event.value
    else:
        message.impression.CopyFrom(_impression(event))
    return message


def _impression(shown: Shown) -> events_pb2.Impression:
    names: FeatureNames = shown.names
    return events_pb2.Impression(
        user_id=shown.user_id,
        context=ranking_pb2.FeatureVector(names=names.context, values=shown.context),
        items=[
            events_pb2.ShownItem(
                item_id=item_id,
                position=position,
                propensity=propensity,
                features=ranking_pb2.FeatureVector(names=names.item, values=row),
            )
            for item_id, position, propensity, row in zip(
                shown.item_ids, shown.positions, shown.propensities, shown.features, strict=True
            )
        ],
        bundle_version=shown.bundle_version,
    )


def _numbers(field: str, values: ArrayLike) -> NDArray[np.float32]:
    try:
        # A number beyond float32 becomes infinite here; the service refuses it by its feature's name.
        with np.errstate(over="ignore"):
            return np.asarray(values, "<f4")
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(field, f"{error}; give numbers, as many in each row") from None


def _rows(features: ArrayLike, candidates: int) -> NDArray[np.float32]:
    """The matrix with one row a candidate: the bytes on the wire would not tell a transposed one apart."""
    matrix = _numbers("features", features)
    if candidates and (matrix.ndim != 2 or len(matrix) != candidates):
        raise InvalidRequestError(
            "features", f"shape {matrix.shape} for {candidates} candidates; give one row a candidate"
        )
    return matrix


def _slate_size(value: int) -> int:
    if not 1 <= value <= MAX_SLATE_SIZE:
        raise InvalidRequestError("slate_size", f"{value}; give 1 to the number of candidates")
    return value
