"""Events and the lines that hold them.

A line is a JSON object whose last key, `crc`, is the CRC-32 of the bytes before it: a torn, overwritten or zero-filled
line is told from a whole one. Features are base64 of little-endian float32, row after row: exact, half the size of
numbers as text and written in a hundredth of the time. Their names stand once a file, in a line of kind `names`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1
CRC_BYTES = len(b',"crc":"00000000"}')


@dataclass(frozen=True)
class FeatureNames:
    """Names of the columns of context and items."""

    context: tuple[str, ...]
    item: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Stands for the names in the lines that use them."""
        return hashlib.sha256(json.dumps([self.context, self.item]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Shown:
    """A slate that was shown.

    Attributes:
        event_id: unique for all time.
        time: microseconds since 1970, UTC.
        request_id: of the request it answers.
        item_ids: the items, first to last.
        positions: place of each, from 1.
        propensities: probability of each choice given those before; None where no model chose.
        names: of the features.
        context: float32 `[context features]`.
        features: float32 `[items, item features]`.
        user_id, bundle_version, policy, decoding: may be empty.
        slate_propensity: of the whole slate; None for a deterministic one.
        unknown_items: candidates that were ranked with default features.
    """

    event_id: str
    time: int
    request_id: str
    item_ids: tuple[str, ...]
    positions: tuple[int, ...]
    propensities: tuple[float | None, ...]
    names: FeatureNames
    context: NDArray[np.float32]
    features: NDArray[np.float32]
    user_id: str = ""
    bundle_version: str = ""
    policy: str = ""
    decoding: str = ""
    slate_propensity: float | None = None
    unknown_items: int = 0

    def fields(self) -> dict[str, Any]:
        """The line's keys and values."""
        return {
            "v": VERSION,
            "kind": "shown",
            "event_id": self.event_id,
            "time": self.time,
            "request_id": self.request_id,
            "user_id": self.user_id,
            "bundle_version": self.bundle_version,
            "policy": self.policy,
            "decoding": self.decoding,
            "propensity": self.slate_propensity,
            "unknown_items": self.unknown_items,
            "item_ids": self.item_ids,
            "positions": self.positions,
            "propensities": self.propensities,
            "names": self.names.fingerprint,
            "context": packed(self.context),
            "features": packed(self.features),
        }


@dataclass(frozen=True)
class Acted:
    """What a user did with an item: `action` is such as `click`, `value` how much."""

    event_id: str
    time: int
    request_id: str
    item_id: str
    action: str
    value: float = 1.0

    def fields(self) -> dict[str, Any]:
        """The line's keys and values."""
        return {"v": VERSION, "kind": "acted", **self.__dict__}


# What a line of the log holds.
Event = Shown | Acted


def names_fields(names: FeatureNames) -> dict[str, Any]:
    """The line that says what the columns of later lines are."""
    return {
        "v": VERSION,
        "kind": "names",
        "names": names.fingerprint,
        "context": names.context,
        "item": names.item,
    }


def line_of(fields: dict[str, Any]) -> bytes:
    """One line, its checksum and its end."""
    body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def fields_of(line: bytes) -> dict[str, Any] | None:
    """What a line without its end holds, less the checksum; None for a line that is not whole."""
    body, end = line[:-CRC_BYTES], line[-CRC_BYTES:]
    if end != b',"crc":"%08x"}' % zlib.crc32(body):
        return None
    return json.loads(body + b"}")


def packed(values: NDArray[np.float32]) -> str:
    """float32 values as base64, row after row."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def unpacked(text: str, width: int) -> NDArray[np.float32]:
    """`packed` values as float32 `[rows, width]`."""
    values = np.frombuffer(base64.b64decode(text), "<f4")
    return values.reshape(-1, width) if width else np.zeros((0, 0), np.float32)
