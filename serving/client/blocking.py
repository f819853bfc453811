"""The client that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import grpc
from numpy.typing import ArrayLike

from serving.client.calls import (
    Call,
    Recorded,
    health_call,
    list_call,
    rank_call,
    rank_many_call,
    record_call,
    score_call,
    traffic_call,
)
from serving.client.connection import Tls, connection_of
from serving.client.errors import BusyError, RefusedError, error_of
from serving.client.messages import RankedSlate, RankRequest, ScoredImage, batches_of
from serving.client.retries import Retries
from serving.events.records import Event
from serving.proto.seriatim.v1 import models_pb2

if TYPE_CHECKING:
    import pandas as pd

Answer = TypeVar("Answer")


class RankingClient:
    """Calls the service; safe to share between threads.

    >>> with RankingClient("127.0.0.1:8500") as client:  # doctest: +SKIP
    ...     slate = client.rank("r-1", ["a", "b"], [[0.1], [0.7]], slate_size=1)

    Whatever a call raises is `InvalidRequestError`, with the field, or a `ServiceError`: `BusyError`, `DeadlineError`,
    `UnauthorisedError` or just that. A call whose server is gone is sent again, at most three times; one that a busy
    server refuses is sent again when it says so, if the time allows.

    Args:
        target: `host:port`, or several that calls are spread over.
        timeout: seconds a call may take, with all that is sent again.
        tls: None for a connection in the clear.
        token: of the caller.
        retries: whether to send again at all.
        compression: whether to send messages as gzip.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        timeout: float = 5.0,
        tls: Tls | None = None,
        token: str | None = None,
        retries: bool = True,
        compression: bool = False,
    ) -> None:
        self._connection = connection_of(target, tls, token, retries, compression)
        self.target, self.timeout = self._connection.target, timeout
        options = self._connection.options
        if tls is None:
            self._channel = grpc.insecure_channel(self.target, options, self._connection.gzip)
        else:
            self._channel = grpc.secure_channel(self.target, tls.credentials(), options, self._connection.gzip)
        self._closed = threading.Event()

    def rank(
        self,
        request_id: str,
        item_ids: Sequence[str],
        features: ArrayLike | None,
        slate_size: int,
        context: ArrayLike = (),
        feature_names: Sequence[str] = (),
        context_names: Sequence[str] = (),
        temperature: float | None = None,
        bundle_version: str = "",
        user_id: str = "",
        timeout: float | None = None,
    ) -> RankedSlate:
        """Ask for one slate; see `RankRequest` for the arguments.

        Raises:
            InvalidRequestError: the service refused the request; `field` says which part of it.
            ServiceError: the service cannot be reached, is busy, or failed.
        """
        request = RankRequest(
            request_id,
            item_ids,
            features,
            slate_size,
            context,
            feature_names,
            context_names,
            temperature,
            bundle_version,
            user_id,
        )
        return self._ask(rank_call(request), timeout)

    def rank_many(
        self, requests: Sequence[RankRequest], timeout: float | None = None
    ) -> list[RankedSlate | RefusedError]:
        """A slate a request, in order, or the error that `rank` would have raised for it.

        Args:
            requests: any number; as many as the service takes go into a call.
            timeout: of each call.

        Raises:
            ServiceError: the service cannot be reached, or refused a whole call.
        """
        answers: list[RankedSlate | RefusedError] = []
        for batch in batches_of(requests):
            answers += self._ask_many(batch, timeout)
        return answers

    def rank_frame(
        self,
        frame: pd.DataFrame,
        slate_size: int,
        features: Sequence[str],
        context: Sequence[str] = (),
        request_id: str = "request_id",
        item_id: str = "item_id",
    ) -> pd.DataFrame:
        """The slates of a table with one row a candidate.

        Args:
            frame: columns `request_id`, `item_id`, `features` and `context`; rows of a request need not be together.
            slate_size: items to place for each request, at most as many as it has.
            features, context: columns by the names that the model reads; a context column is constant in a request.
            request_id, item_id: names of these columns.

        Returns:
            One row a place, in the order of the requests' first rows: `request_id` and `item_id` under their names,
            `position` from 1, `base_score`, `gate_score`, `passed_gate`, `probability`, `propensity`, `decoding` and
            `bundle_version`.

        Raises:
            InvalidRequestError: a column is missing, a context column varies, or the service refused a request.
            ServiceError: the service cannot be reached, is busy, or failed.
        """
        from serving.client.frames import requests_of, table_of

        requests = requests_of(frame, slate_size, features, context, request_id, item_id)
        return table_of(self.rank_many(requests), request_id, item_id)

    def record_events(self, events: Sequence[Event], timeout: float | None = None) -> Recorded:
        """Write events into the service's log; what was written once is not written again.

        Raises:
            InvalidRequestError: an event breaks the protocol's rules; nothing was written.
            ServiceError: the service cannot be reached, keeps no log, or cannot write it now.
        """
        return self._ask(record_call(events), timeout)

    def score_images(self, images: Mapping[str, bytes], timeout: float | None = None) -> list[ScoredImage]:
        """The image cascade's scores of up to 64 JPEG, PNG or WebP files, given by an id each.

        Raises:
            InvalidRequestError: an image cannot be read.
            ServiceError: the service cannot be reached, has no cascade, or is busy.
        """
        return self._ask(score_call(images), timeout)

    def list_models(self, timeout: float | None = None) -> models_pb2.ListModelsResponse:
        """The versions that the service knows and the traffic rules; asks for an administrator's token.

        Raises:
            ServiceError: the service cannot be reached, or the token is not an administrator's.
        """
        return self._ask(list_call(), timeout)

    def set_traffic(self, traffic: models_pb2.Traffic, timeout: float | None = None) -> models_pb2.Traffic:
        """Replace the traffic rules, whole; returns those in force.

        Raises:
            ServiceError: a version cannot be served, or as for `list_models`.
        """
        return self._ask(traffic_call(traffic), timeout)

    def roll_back(self, timeout: float | None = None) -> models_pb2.Traffic:
        """Go back to the rules before these, or to the sound version before the one in service.

        Raises:
            ServiceError: there is nothing to go back to, or as for `list_models`.
        """
        return self._ask(traffic_call(None), timeout)

    def healthy(self, service: str = "", timeout: float | None = None) -> bool:
        """Whether the service takes traffic; `service` asks for one of its gRPC services by its full name.

        Raises:
            ServiceError: it cannot be reached, or knows no such service.
        """
        return self._ask(health_call(service), timeout)

    def close(self) -> None:
        """Close the channel."""
        self._closed.set()
        self._channel.close()

    def _ask_many(self, batch: Sequence[RankRequest], timeout: float | None) -> list[RankedSlate | RefusedError]:
        """One call, and more for those of its requests that the service was too busy for."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        retries = Retries(self._connection.retries)
        answers = self._ask(rank_many_call(batch, self.target), timeout)
        while True:
            busy = [place for place, answer in enumerate(answers) if isinstance(answer, BusyError)]
            pauses = [retries.pause_after(answers[place], end - time.monotonic()) for place in busy]  # type: ignore[arg-type]
            if not busy or None in pauses or self._closed.wait(max(filter(None, pauses), default=0)):
                return answers
            call = rank_many_call([batch[place] for place in busy], self.target)
            again = self._ask(call, end - time.monotonic())
            for place, answer in zip(busy, again, strict=True):
                answers[place] = answer

    def _ask(self, call: Call[Answer], timeout: float | None) -> Answer:
        method = self._channel.unary_unary(
            call.method,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.response.FromString,
        )
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        retries = Retries(self._connection.retries)
        while True:
            try:
                remaining = max(0.0, end - time.monotonic())
                return call.read(method(call.request, timeout=remaining, metadata=self._connection.metadata))
            except grpc.RpcError as error:
                named = error_of(error, self.target)
            pause = retries.pause_after(named, end - time.monotonic())
            # The wait ends early when the client is closed meanwhile.
            if pause is None or self._closed.wait(pause):
                raise named

    def __enter__(self) -> RankingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
