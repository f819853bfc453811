"""Copy a bundle's item features into Redis, where services on many machines look them up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar, cast

from redis import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from seriatim_errors import ServiceError
from serving.features.item_keys import RESERVED, SCHEMA_KEY
from serving.features.lmdb_store import LmdbStore
from serving.features.redis_address import RedisAddress, key_prefix
from serving.features.schema import StoreSchema

CONNECTIONS = {"tcp": Connection, "tls": SSLConnection, "unix": UnixDomainSocketConnection}
LOCK_KEY = RESERVED + b"loading__"
# A load that was killed holds others up for this long.
LOCK_SECONDS = 30.0
TIMEOUT_SECONDS = 10.0
BATCH = 1000

Element = TypeVar("Element")


@dataclass(frozen=True)
class Loaded:
    """What a load did: `items` written, and `removed` keys of rows that the new schema could not have read."""

    items: int
    removed: int


def load_redis(store: LmdbStore, url: str, prefix: str, progress: Callable[[int], None] = lambda items: None) -> Loaded:
    """Write every item of `store` under `prefix:`.

    With the schema that is there already, rows are replaced one by one, and services look items up all the while; rows
    of items that `store` does not hold stay. With another schema, that of the old rows is taken away first, the old
    rows next, and the new schema comes last: in between, services find no schema and use defaults.

    Args:
        store: open for reading.
        url: address; see `RedisAddress`.
        prefix: first part of every key.
        progress: called with the number of items written so far.

    Raises:
        ConfigError: the address or the prefix cannot be used.
        ServiceError: Redis cannot be reached or refuses; loading again mends what is half done.
        BundleError: the store turns out to be corrupt.
    """
    address, first = RedisAddress.parse(url), key_prefix(prefix)
    pool = ConnectionPool(
        connection_class=CONNECTIONS[address.kind],
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        **address.options,
    )
    client = Redis(connection_pool=pool)
    lock = client.lock(str(first + LOCK_KEY, "ascii"), timeout=LOCK_SECONDS, blocking=False)
    try:
        with lock:
            removed = _make_room(client, lock, store.schema, first)
            items = _write(client, lock, store, first, progress)
            client.set(first + SCHEMA_KEY, store.schema.serialised())
    except LockError:
        raise ServiceError(
            f"Redis at {address.shown}: another load under prefix {prefix!r} is under way; wait for it, or "
            f"{LOCK_SECONDS:g} s if it was killed, or give another --prefix"
        ) from None
    except (RedisError, OSError) as error:
        reason = address.without_secrets(f"{type(error).__name__}: {error}").rstrip(".")
        raise ServiceError(
            f"Redis at {address.shown}: {reason}; correct --redis or the server, then load again"
        ) from None
    finally:
        pool.disconnect()
    return Loaded(items, removed)


def _make_room(client: Redis, lock: Lock, schema: StoreSchema, prefix: bytes) -> int:
    """Take away schema and rows that `schema` could not read; the number of keys removed."""
    # The client's types allow for an answer that has to be awaited, which this client never gives.
    present = cast("bytes | None", client.get(prefix + SCHEMA_KEY))
    if present is not None and _same_columns(present, schema):
        return 0
    client.delete(prefix + SCHEMA_KEY)
    removed, cursor = 0, -1
    # Page by page: in a large Redis most pages hold none of the keys, and the lock must not run out meanwhile.
    while cursor != 0:
        cursor, keys = cast("tuple[int, list[bytes]]", client.scan(max(cursor, 0), match=prefix + b"*", count=BATCH))
        lock.reacquire()
        old = [key for key in keys if key != prefix + LOCK_KEY]
        removed += cast(int, client.unlink(*old)) if old else 0
    return removed


def _same_columns(present: bytes, schema: StoreSchema) -> bool:
    try:
        return StoreSchema.parse(present).features == schema.features
    except ValueError:
        return False


def _write(client: Redis, lock: Lock, store: LmdbStore, prefix: bytes, progress: Callable[[int], None]) -> int:
    written = 0
    for records in _batches(store.records()):
        lock.reacquire()
        client.mset({prefix + key: row for key, row in records})
        written += len(records)
        progress(written)
    return written


def _batches(elements: Iterable[Element]) -> Iterator[list[Element]]:
    remaining = iter(elements)
    while batch := list(islice(remaining, BATCH)):
        yield batch
