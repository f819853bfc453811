"""The format of a coded picture: a checked header, the bytes of hyper-latents, the bytes of latents."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.codec.design import HYPER_STRIDE

MAGIC, VERSION = b"SeIC", 1
CODER_ID_BYTES = 8
# Magic, version, coder, height, width, bytes of hyper-latents and of latents, checks of symbols and of both payloads.
FIELDS = struct.Struct(f"<4sB{CODER_ID_BYTES}sHHIIII")
CHECK = struct.Struct("<I")
HEADER_BYTES = FIELDS.size + CHECK.size
LONGEST_SIDE, MOST_PIXELS = 65535, 2**25


@dataclass(frozen=True)
class CodedPicture:
    """What a file holds.

    Attributes:
        coder_id: 8 bytes that name the networks and tables which made it.
        height: in pixels, as is `width`.
        hyper_latents: their coded bytes.
        latents: theirs.
        symbol_check: CRC-32 of the whole numbers behind both.
    """

    coder_id: bytes
    height: int
    width: int
    hyper_latents: bytes
    latents: bytes
    symbol_check: int

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width that the networks see: the next multiples of 64."""
        return padded(self.height), padded(self.width)


def padded(side: int) -> int:
    """The next multiple of 64."""
    return -(-side // HYPER_STRIDE) * HYPER_STRIDE


def check_size(height: int, width: int, name: str = "picture") -> None:
    """Raise `DataError` where a picture has no pixels or more than the format allows."""
    longest = max(height, width)
    if min(height, width) < 1 or longest > LONGEST_SIDE or height * width > MOST_PIXELS:
        raise DataError(
            f"{name} of {width} x {height} pixels; give sides of 1 to {LONGEST_SIDE} and at most {MOST_PIXELS} pixels"
        )


def symbol_check(*symbols: NDArray[np.int32]) -> int:
    """CRC-32 of whole numbers, little end first on every machine."""
    check = 0
    for values in symbols:
        check = zlib.crc32(np.ascontiguousarray(values, dtype="<i4").tobytes(), check)
    return check


def to_bytes(picture: CodedPicture) -> bytes:
    """The file's content."""
    payload = picture.hyper_latents + picture.latents
    fields = FIELDS.pack(
        MAGIC,
        VERSION,
        picture.coder_id,
        picture.height,
        picture.width,
        len(picture.hyper_latents),
        len(picture.latents),
        picture.symbol_check,
        zlib.crc32(payload),
    )
    return fields + CHECK.pack(zlib.crc32(fields)) + payload


def from_bytes(content: bytes, name: str = "stream") -> CodedPicture:
    """What a file's content holds, all of it checked but the symbols, which decoding shows.

    A checksum finds damage, not ill will: who can write a file can write its checksums.

    Args:
        content: of the file.
        name: for messages.

    Raises:
        DataError: it is no coded picture, of another version, cut off, longer than it says, damaged or too large.
    """
    if content[: len(MAGIC)] != MAGIC:
        raise DataError(f"{name} is no coded picture: it does not begin with {MAGIC.decode()}")
    if len(content) < HEADER_BYTES:
        raise DataError(f"{name} has {len(content)} bytes, fewer than a header; it was cut off, copy it again")
    version = content[len(MAGIC)]
    if version != VERSION:
        raise DataError(f"{name} has format version {version}, this reads {VERSION}; decode it with its own version")
    header, (check,) = content[: FIELDS.size], CHECK.unpack_from(content, FIELDS.size)
    if zlib.crc32(header) != check:
        raise DataError(f"{name} is damaged: the checksum of its header is wrong; copy it again")
    _, _, coder_id, height, width, hyper_bytes, latent_bytes, symbols, payload_check = FIELDS.unpack(header)
    payload = content[HEADER_BYTES:]
    if len(payload) != hyper_bytes + latent_bytes:
        raise DataError(
            f"{name} has {len(payload)} bytes behind its header instead of {hyper_bytes + latent_bytes}; copy it again"
        )
    if zlib.crc32(payload) != payload_check:
        raise DataError(f"{name} is damaged: the checksum of its data is wrong; copy it again")
    check_size(height, width, name)
    return CodedPicture(coder_id, height, width, payload[:hyper_bytes], payload[hyper_bytes:], symbols)
