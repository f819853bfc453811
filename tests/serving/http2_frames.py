"""HTTP/2 frames by hand (RFC 9113), for clients that do not behave."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(window):
    """SETTINGS that let the peer send `window` bytes a stream."""
    return frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, window))


def call_headers(stream, method):
    """The beginning of a gRPC call: literal header fields without indexing or Huffman coding (RFC 7541, 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
    return frame(HEADERS, END_HEADERS, stream, block)


def message_data(stream, message):
    """A whole gRPC message, and the end of the caller's stream."""
    return frame(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(message)) + message)


def half_message_data(stream, message):
    """The announcement of a whole message and its first half."""
    return frame(DATA, 0, stream, struct.pack(">BI", 0, len(message)) + message[: len(message) // 2])


def read_frame(connection):
    """Kind, stream and payload of the next frame."""
    head = _received(connection, 9)
    kind, _, stream = struct.unpack(">BBI", head[3:])
    return kind, stream, _received(connection, int.from_bytes(head[:3], "big"))


def connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def _text(value):
    # A length below 127 is one byte.
    return bytes([len(value)]) + value.encode()


def _received(connection, length):
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        assert part, "the service closed the connection"
        received += part
    return received
