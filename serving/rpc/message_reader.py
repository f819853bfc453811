"""Messages off the wire: inflated within the limit, and refused by name where they cannot be decoded."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

from serving.rpc.errors import bad_request, with_details
from serving.runtime.query import InvalidRequestError

# A protobuf message never begins so: 0x1f would be a field of wire type 7, which does not exist.
GZIP_MAGIC = b"\x1f\x8b"
IDENTITY, GZIP = 1 << 0, 1 << 2


class MessageTooLargeError(ValueError):
    """A message is longer than the limit once it is inflated."""


@dataclass(frozen=True)
class _Refused:
    """Stands for a message that cannot be read, until there is a call to answer."""

    status: status_pb2.Status


class MessageReader:
    """Reads the messages of a server's methods; to be the outermost of what is wrapped around them.

    gRPC's core holds a compressed message against the limit only after it has inflated it: 16 KiB of gzip become 16 MiB
    first. With `OPTIONS` the core leaves messages as they came, and they are inflated here up to the limit and no
    further. What is no message of the method is answered with INVALID_ARGUMENT; gRPC's own answer is UNKNOWN, and a
    traceback in the log for each.

    Args:
        max_bytes: of a message when it is inflated.
    """

    # Deflate has no mark that tells it from a message; gRPC's core refuses it with UNIMPLEMENTED.
    OPTIONS = (
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", IDENTITY | GZIP),
    )

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def wrap(self, handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        """The method's handler with our reading before it; what a stream cannot read ends it with UNKNOWN."""
        deserialize = handler.request_deserializer
        if deserialize is None:
            return handler
        for kind in ("unary_unary", "unary_stream"):
            behaviour = getattr(handler, kind)
            if inspect.iscoroutinefunction(behaviour):
                read = self._refusing(deserialize, method)
                return handler._replace(**{kind: _answering(behaviour), "request_deserializer": read})
        return handler._replace(request_deserializer=lambda raw: deserialize(inflated(raw, self._max_bytes)))

    def _refusing(self, deserialize: Callable[[bytes], Any], method: str) -> Callable[[bytes], Any]:
        def read(raw: bytes) -> Any:
            try:
                return deserialize(inflated(raw, self._max_bytes))
            except MessageTooLargeError as error:
                return _Refused(with_details(code_pb2.RESOURCE_EXHAUSTED, str(error)))
            except (DecodeError, zlib.error):
                description = f"not a message that {method} reads; encode it with code generated from the protocol"
                return _Refused(bad_request(InvalidRequestError("request", description)))

        return read


def inflated(raw: bytes, max_bytes: int) -> bytes:
    """The message as it was before compression; what is not compressed stays as it is.

    Args:
        raw: a serialized protobuf message, or the gzip of one.
        max_bytes: that it may have; no more than that and one byte is ever held.

    Raises:
        MessageTooLargeError: it has more.
        zlib.error: the stream is damaged, ends early or is followed by something else.
    """
    if not raw.startswith(GZIP_MAGIC):
        return raw
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    content = stream.decompress(raw, max_bytes + 1)
    if len(content) > max_bytes:
        raise MessageTooLargeError(
            f"the message has more than {max_bytes} bytes when it is inflated; send a shorter one"
        )
    if not stream.eof or stream.unused_data:
        raise zlib.error("the stream ends early, or something follows it")
    return content


def _answering(behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        if isinstance(request, _Refused):
            status = rpc_status.to_status(request.status)
            await context.abort(status.code, status.details, status.trailing_metadata)
        return await behaviour(request, context)

    return answer
