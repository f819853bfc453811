"""The size that a WebP file declares, read from its first bytes (RFC 9649)."""

from __future__ import annotations

LONGEST_HEADER = 30


def webp_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for what is no WebP file.

    Args:
        content: the file, or its first 30 bytes; what is missing of them counts as zeros.
    """
    header = content[:LONGEST_HEADER].ljust(LONGEST_HEADER, b"\0")
    if header[:4] != b"RIFF" or header[8:12] != b"WEBP":
        return None
    kind, chunk = header[12:16], header[20:]
    if kind == b"VP8X":
        return 1 + int.from_bytes(chunk[4:7], "little"), 1 + int.from_bytes(chunk[7:10], "little")
    if kind == b"VP8L":
        sizes = int.from_bytes(chunk[1:5], "little")
        return 1 + (sizes & 0x3FFF), 1 + (sizes >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(chunk[6:8], "little") & 0x3FFF, int.from_bytes(chunk[8:10], "little") & 0x3FFF
    return None
