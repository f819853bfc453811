"""Errors as `google.rpc.Status` with details."""

from __future__ import annotations

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from serving.runtime.query import InvalidRequestError


def bad_request(error: InvalidRequestError) -> status_pb2.Status:
    """INVALID_ARGUMENT with the field and the way out as `google.rpc.BadRequest`."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.description)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=str(error), details=[detail])
