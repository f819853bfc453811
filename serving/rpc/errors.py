"""Errors as `google.rpc.Status` with details."""

from __future__ import annotations

import logging

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from serving.batching.refusals import DeadlinePassedError, OverloadedError
from serving.runtime.query import InvalidRequestError

logger = logging.getLogger(__name__)


def status_of(error: Exception) -> status_pb2.Status:
    """The status a caller gets; what is no fault of theirs is logged whole and answered as INTERNAL without details."""
    if isinstance(error, InvalidRequestError):
        return bad_request(error)
    if isinstance(error, OverloadedError):
        return overloaded(str(error), error.retry_after)
    if isinstance(error, DeadlinePassedError):
        return with_details(code_pb2.DEADLINE_EXCEEDED, str(error))
    logger.error("a call failed", exc_info=error)
    return with_details(code_pb2.INTERNAL, "the service failed; its log says why")


def bad_request(error: InvalidRequestError) -> status_pb2.Status:
    """INVALID_ARGUMENT with the field and the way out as `google.rpc.BadRequest`."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.description)
    return with_details(
        code_pb2.INVALID_ARGUMENT, str(error), error_details_pb2.BadRequest(field_violations=[violation])
    )


def overloaded(message: str, retry_after: float) -> status_pb2.Status:
    """RESOURCE_EXHAUSTED with the time to come again, in seconds, as `google.rpc.RetryInfo`."""
    delay = duration_pb2.Duration()
    delay.FromNanoseconds(int(1e9 * retry_after))
    return with_details(code_pb2.RESOURCE_EXHAUSTED, message, error_details_pb2.RetryInfo(retry_delay=delay))


def with_details(code: int, message: str, *details: Message) -> status_pb2.Status:
    """A status of `code_pb2` with typed details."""
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=message, details=packed)
