"""Every call of the protocol: what is sent, and how its answer is read; the same for both kinds of client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from serving.client.errors import RefusedError, refusal_of
from serving.client.messages import (
    RankedSlate,
    RankRequest,
    ScoredImage,
    events_message,
    message_of,
    scored_images,
    slate_of,
)
from serving.events.records import Event
from serving.proto.seriatim.v1 import events_pb2, images_pb2, models_pb2, ranking_pb2

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One call to be made.

    Attributes:
        method: `/package.Service/Method`.
        request: its message.
        response: class of the answer's message.
        read: the answer from its message.
    """

    method: str
    request: Message
    response: type[Message]
    read: Callable[[Any], Answer]


@dataclass(frozen=True)
class Recorded:
    """What became of events: written now, or known already."""

    recorded: int
    duplicates: int


def rank_call(request: RankRequest) -> Call[RankedSlate]:
    """RankSlate."""
    return Call("/seriatim.v1.RankingService/RankSlate", message_of(request), ranking_pb2.RankSlateResponse, slate_of)


def rank_many_call(requests: Sequence[RankRequest], target: str) -> Call[list[RankedSlate | RefusedError]]:
    """RankSlates."""

    def read(response: ranking_pb2.RankSlatesResponse) -> list[RankedSlate | RefusedError]:
        return [
            slate_of(result.slate) if result.HasField("slate") else refusal_of(result.error, target)
            for result in response.results
        ]

    message = ranking_pb2.RankSlatesRequest(requests=[message_of(request) for request in requests])
    return Call("/seriatim.v1.RankingService/RankSlates", message, ranking_pb2.RankSlatesResponse, read)


def record_call(events: Sequence[Event]) -> Call[Recorded]:
    """RecordEvents."""
    return Call(
        "/seriatim.v1.EventService/RecordEvents",
        events_message(events),
        events_pb2.RecordEventsResponse,
        lambda response: Recorded(response.recorded, response.duplicates),
    )


def score_call(images: Mapping[str, bytes]) -> Call[list[ScoredImage]]:
    """ScoreImages."""
    message = images_pb2.ScoreImagesRequest(
        images=[images_pb2.Image(image_id=image_id, content=content) for image_id, content in images.items()]
    )
    return Call("/seriatim.v1.ImageService/ScoreImages", message, images_pb2.ScoreImagesResponse, scored_images)


def list_call() -> Call[models_pb2.ListModelsResponse]:
    """ListModels; its answer stays as the protocol has it."""
    return Call(
        "/seriatim.v1.ModelService/ListModels",
        models_pb2.ListModelsRequest(),
        models_pb2.ListModelsResponse,
        lambda response: response,
    )


def traffic_call(traffic: models_pb2.Traffic | None) -> Call[models_pb2.Traffic]:
    """SetTraffic; None rolls back."""
    request = models_pb2.SetTrafficRequest(traffic=traffic, roll_back=traffic is None)
    return Call(
        "/seriatim.v1.ModelService/SetTraffic",
        request,
        models_pb2.SetTrafficResponse,
        lambda response: response.traffic,
    )


def health_call(service: str) -> Call[bool]:
    """The standard health service: whether it takes traffic."""
    return Call(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest(service=service),
        health_pb2.HealthCheckResponse,
        lambda response: response.status == health_pb2.HealthCheckResponse.SERVING,
    )
