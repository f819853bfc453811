"""Statuses of the service as errors by name."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from seriatim_errors import ServiceError
from serving.runtime.query import InvalidRequestError

DETAILS = "grpc-status-details-bin"
CODES = {code.value[0]: code.name for code in grpc.StatusCode}
RefusedError = ServiceError | InvalidRequestError


class BusyError(ServiceError):
    """The service has more work than it can do in time; `retry_after` says in seconds when to come again, or None."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnreachableError(ServiceError):
    """No server was there, or it went away during the call."""


class DeadlineError(ServiceError):
    """The answer did not come within the call's time."""


class UnauthorisedError(ServiceError):
    """The token is missing, wrong or expired, or its role may not do this."""


def error_of(error: grpc.RpcError, target: str) -> RefusedError:
    """What a failed call means to its caller."""
    return refusal_of(status_of(error), target)


def status_of(error: Any) -> status_pb2.Status:
    """The status with its details, from a call of either kind of channel."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


def refusal_of(status: status_pb2.Status, target: str) -> RefusedError:
    """What a status means to its caller."""
    bad_request = _detail(status, error_details_pb2.BadRequest)
    if bad_request is not None and bad_request.field_violations:
        violation = bad_request.field_violations[0]
        return InvalidRequestError(violation.field, violation.description)
    message = f"the service at {target} answered {CODES.get(status.code, status.code)}: {status.message}"
    if status.code == code_pb2.UNAVAILABLE:
        if retry_after(status) is not None:
            return BusyError(message, retry_after(status))
        return UnreachableError(f"no service answers at {target}; start one with 'seriatim serve' or correct --target")
    if status.code == code_pb2.CANCELLED:
        # What gRPC answers to a call that arrives just as a server stops.
        return UnreachableError(f"{message}; the service stops, send the call again")
    if status.code == code_pb2.RESOURCE_EXHAUSTED:
        return BusyError(message, retry_after(status))
    if status.code == code_pb2.DEADLINE_EXCEEDED:
        return DeadlineError(f"{message}; give the call more time")
    if status.code in (code_pb2.UNAUTHENTICATED, code_pb2.PERMISSION_DENIED):
        return UnauthorisedError(message)
    return ServiceError(message)


def retry_after(status: status_pb2.Status) -> float | None:
    """Seconds after which the service wants to be asked again; None where it does not say."""
    info = _detail(status, error_details_pb2.RetryInfo)
    return None if info is None else info.retry_delay.ToNanoseconds() / 1e9


def _detail(status: status_pb2.Status, kind: Any) -> Any:
    for detail in status.details:
        found = kind()
        if detail.Unpack(found):
            return found
    return None
