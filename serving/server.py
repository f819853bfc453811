"""The gRPC service: RankSlate beside the standard health and reflection services."""

from __future__ import annotations

import grpc
import numpy as np
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from numpy.typing import NDArray

from seriatim_errors import ServiceError
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.runtime.labeller import Labeller
from serving.runtime.query import InvalidRequestError, Slate, SlateQuery, require_candidates
from serving.runtime.ranker import SlateRanker

SERVICE = ranking_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name
MAX_MESSAGE_BYTES = 16 << 20


class RankingServicer(ranking_pb2_grpc.RankingServiceServicer):
    """Answers RankSlate with one bundle.

    Ranking takes about a millisecond and holds the interpreter for most of it, so that it runs in the event
    loop: handing it to a thread costs more than it frees.
    """

    def __init__(self, ranker: SlateRanker) -> None:
        self._ranker = ranker

    async def RankSlate(  # noqa: N802  (the name is the protocol's)
        self, request: ranking_pb2.RankSlateRequest, context: grpc.aio.ServicerContext
    ) -> ranking_pb2.RankSlateResponse:
        """Rank one request; a request that breaks the contract ends with INVALID_ARGUMENT and its field."""
        try:
            query = query_of(request, self._ranker)
            slate = self._ranker.rank(query)
        except InvalidRequestError as error:
            status = rpc_status.to_status(_bad_request(error))
            await context.abort(status.code, status.details, status.trailing_metadata)
        return _response(request, slate, self._ranker.labeller)


def query_of(request: ranking_pb2.RankSlateRequest, ranker: SlateRanker) -> SlateQuery:
    """The message as a query in the bundle's feature order.

    Raises:
        InvalidRequestError: a feature is unknown, missing or given twice, or the matrix has another size.
    """
    if not request.request_id:
        raise InvalidRequestError("request_id", "empty; give every request an id")
    require_candidates(request.item_ids)
    features = ranker.features
    context = np.array(request.context.values, np.float32)
    if request.context.names:
        columns = _columns("context.names", request.context.names, features.context)
        _require_count("context.values", len(context), len(request.context.names))
        context = context[columns]
    exploring = request.HasField("exploration")
    return SlateQuery(
        request_id=request.request_id,
        item_ids=tuple(request.item_ids),
        context=context,
        features=_matrix(request, features.item),
        slate_size=request.slate_size,
        explore=exploring,
        temperature=request.exploration.temperature if exploring else 1.0,
    )


def _matrix(request: ranking_pb2.RankSlateRequest, expected: tuple[str, ...]) -> NDArray[np.float32]:
    names = request.features.names
    columns = _columns("features.names", names, expected) if names else None
    rows, width, size = len(request.item_ids), len(names) or len(expected), len(request.features.values)
    if size != 4 * rows * width:
        raise InvalidRequestError(
            "features.values",
            f"{size} bytes, expected {4 * rows * width}: {rows} candidates times {width} features times 4 bytes",
        )
    matrix = np.frombuffer(request.features.values, "<f4").reshape(rows, width)
    return matrix if columns is None else matrix[:, columns]


def _columns(field: str, names: list[str], expected: tuple[str, ...]) -> list[int]:
    """For every expected feature the place at which the caller gives it."""
    places = {name: place for place, name in enumerate(names)}
    for name in names:
        if name not in expected:
            raise InvalidRequestError(field, f"unknown feature {name!r}; the model reads {', '.join(expected)}")
    for name in expected:
        if name not in places:
            raise InvalidRequestError(field, f"feature {name!r} is missing; give all of {', '.join(expected)}")
    if len(places) != len(names):
        raise InvalidRequestError(field, "a feature is named twice; name each once")
    return [places[name] for name in expected]


def _require_count(field: str, given: int, expected: int) -> None:
    if given != expected:
        raise InvalidRequestError(field, f"{given} values for {expected} names; give one value a name")


def _bad_request(error: InvalidRequestError) -> status_pb2.Status:
    violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.description)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=str(error), details=[detail])


def _response(
    request: ranking_pb2.RankSlateRequest, slate: Slate, labeller: Labeller | None
) -> ranking_pb2.RankSlateResponse:
    response = ranking_pb2.RankSlateResponse(request_id=request.request_id, bundle_version=slate.version)
    if slate.propensity is not None:
        response.propensity = slate.propensity
    for place, (row, probability) in enumerate(zip(slate.order, slate.probabilities, strict=True)):
        item = response.items.add(
            item_id=request.item_ids[row],
            base_score=slate.base_scores[row],
            passed_gate=bool(slate.passed[row]),
        )
        if slate.gate_scores is not None:
            item.gate_score = slate.gate_scores[row]
        if not np.isnan(probability):
            item.probability = probability
        if labeller is not None and slate.labels is not None:
            for name, value in labeller.named(slate.labels[place]):
                item.labels.add(name=name, value=value)
    return response


class RankingServer:
    """A server for one bundle; start it, wait for it, stop it by this handle."""

    def __init__(self, ranker: SlateRanker, host: str = "127.0.0.1", port: int = 0) -> None:
        # An IPv6 address stands in brackets, or its last group would be taken for the port.
        self._ranker, self._address = ranker, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._server: grpc.aio.Server | None = None
        self._health = health.aio.HealthServicer()
        self.port = port

    async def start(self) -> int:
        """Bind and start serving.

        Returns:
            The port, chosen by the system when 0 was asked for.

        Raises:
            ServiceError: the address is in use or not this machine's.
        """
        # Without SO_REUSEPORT a second server on the port fails at once instead of sharing its traffic.
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ]
        )
        ranking_pb2_grpc.add_RankingServiceServicer_to_server(RankingServicer(self._ranker), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        try:
            self.port = server.add_insecure_port(self._address)
        except RuntimeError:
            self.port = 0
        if self.port == 0:
            raise ServiceError(
                f"cannot listen on {self._address}: the port is in use or the address is not this machine's; "
                "give another --port (0 picks a free one) or --host"
            )
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await server.start()
        self._server = server
        return self.port

    async def wait(self) -> None:
        """Return when the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def stop(self, grace: float = 5.0) -> None:
        """Say to health checks that it ends, refuse new calls and give those in flight `grace` seconds."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace)
