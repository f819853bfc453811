"""The Python client: NumPy in, a slate out, errors by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

import grpc
import numpy as np
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from numpy.typing import ArrayLike, NDArray

from seriatim_errors import ServiceError
from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.runtime.query import InvalidRequestError

MAX_SLATE_SIZE = 2**32 - 1
LOOPBACK_HOSTS = ("localhost", "127.", "[::1]", "unix:")


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
    """A slate as the service answered it."""

    request_id: str
    items: tuple[PlacedItem, ...]
    propensity: float | None
    bundle_version: str


class RankingClient:
    """Calls a RankingService.

    >>> with RankingClient("127.0.0.1:8500") as client:  # doctest: +SKIP
    ...     slate = client.rank("r-1", ["a", "b"], [[0.1], [0.7]], slate_size=1)

    Args:
        target: `host:port`.
        timeout: seconds a call may take.
    """

    def __init__(self, target: str, timeout: float = 5.0) -> None:
        self.target, self.timeout = target, timeout
        # A proxy from the environment cannot reach this machine's loopback address.
        proxy = 0 if target.startswith(LOOPBACK_HOSTS) else 1
        self._channel = grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", proxy)])
        self._stub = ranking_pb2_grpc.RankingServiceStub(self._channel)

    def rank(
        self,
        request_id: str,
        item_ids: Sequence[str],
        features: ArrayLike,
        slate_size: int,
        context: ArrayLike = (),
        feature_names: Sequence[str] = (),
        context_names: Sequence[str] = (),
        temperature: float | None = None,
    ) -> RankedSlate:
        """Ask for one slate.

        Args:
            request_id: not empty.
            item_ids: candidates.
            features: float `[candidates, item features]`.
            slate_size: items to place.
            context: float `[context features]`.
            feature_names, context_names: names of the columns; empty for the bundle's own order.
            temperature: set to explore.

        Raises:
            InvalidRequestError: the service refused the request; `field` says which part of it.
            ServiceError: the service cannot be reached, or failed.
        """
        request = ranking_pb2.RankSlateRequest(
            request_id=request_id,
            item_ids=item_ids,
            context=ranking_pb2.FeatureVector(names=context_names, values=_numbers("context", context)),
            features=ranking_pb2.FeatureMatrix(names=feature_names, values=_rows(features, len(item_ids)).tobytes()),
            slate_size=_slate_size(slate_size),
        )
        if temperature is not None:
            request.exploration.temperature = temperature
        try:
            response = self._stub.RankSlate(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise _named(error, self.target) from None
        return _slate_of(response)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def __enter__(self) -> RankingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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


def _named(error: grpc.RpcError, target: str) -> Exception:
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request) and bad_request.field_violations:
            violation = bad_request.field_violations[0]
            return InvalidRequestError(violation.field, violation.description)
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return ServiceError(f"no service answers at {target}; start one with 'seriatim serve' or correct --target")
    return ServiceError(f"the service at {target} answered {error.code().name}: {error.details()}")


def _slate_of(response: ranking_pb2.RankSlateResponse) -> RankedSlate:
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
    )
