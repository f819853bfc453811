"""The key under which a store keeps an item."""

from __future__ import annotations

import hashlib

# Keys that begin so are the store's own: no item id is kept as it is if it does.
RESERVED = b"__"
SCHEMA_KEY = RESERVED + b"schema__"
HASHED = RESERVED + b"hash__:"
# LMDB takes no longer keys, and no empty ones.
LONGEST_KEY = 511


def item_key(item_id: str) -> bytes:
    """The id in UTF-8, or its hash where that cannot be a key.

    Ids that are empty, longer than 511 bytes or begin with `__` become `__hash__:` and the 64 hexadecimal digits of
    their 32-byte BLAKE2b hash.
    """
    try:
        key = item_id.encode()
    except UnicodeEncodeError:
        # Python strings may hold lone surrogates, which plain UTF-8 refuses.
        key = item_id.encode("utf-8", "surrogatepass")
    if 0 < len(key) <= LONGEST_KEY and key[:2] != RESERVED:
        return key
    return HASHED + hashlib.blake2b(key, digest_size=32).hexdigest().encode()
