"""Stable shares of the traffic: the same request ids everywhere and always."""

from __future__ import annotations

import hashlib


def in_share(request_id: str, share: float, purpose: str) -> bool:
    """Whether a request belongs to the `share`, 0 to 1, of all requests that is set apart for `purpose`.

    An id in a share is in every larger one, and shares for different purposes are independent of one another.
    """
    if share <= 0:
        return False
    digest = hashlib.blake2b(request_id.encode(), digest_size=8, person=purpose.encode()).digest()
    return int.from_bytes(digest, "big") < share * 2**64
