"""Item features in Redis, shared by machines: one round trip a request, and none while Redis is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from seriatim_errors import BundleError
from serving.bundle.manifest import Features
from serving.features.circuit_breaker import CircuitBreaker
from serving.features.item_keys import SCHEMA_KEY, item_key
from serving.features.lookup import LookedUp
from serving.features.redis_address import RedisAddress, key_prefix
from serving.features.row_reader import RowReaders, default_rows
from serving.features.schema import StoreSchema

CONNECTIONS = {"tcp": Connection, "tls": SSLConnection, "unix": UnixDomainSocketConnection}
MOST_CONNECTIONS = 32
# What a lookup may fail with that is no fault of the caller: no connection, no answer in time, a refusal.
FAILURES = (RedisError, OSError, asyncio.TimeoutError)

logger = logging.getLogger(__name__)


class RedisStore:
    """Looks items up in Redis; made once a process, used in one event loop.

    Whatever is wrong with Redis, a request is ranked: its items get default features and count as unknown. After some
    failures in a row Redis is left alone for a while, so that requests do not wait for it, and it is used again when
    it is back. The schema travels with every lookup, so that rows are never read by the schema of other ones.

    Args:
        url: address; see `RedisAddress`.
        prefix: first part of every key.
        timeout_ms: longest wait of a lookup, connecting included; above 0.
        breaker: decides when Redis is left alone.

    Raises:
        ConfigError: the address or the prefix cannot be used.
    """

    def __init__(self, url: str, prefix: str, timeout_ms: float, breaker: CircuitBreaker | None = None) -> None:
        self._address = RedisAddress.parse(url)
        self._prefix = key_prefix(prefix)
        self._timeout = timeout_ms / 1000
        self._breaker = CircuitBreaker() if breaker is None else breaker
        self._source = f"Redis at {self._address.shown}, prefix {prefix!r}"
        # A bounded pool: a server that hangs must not gather connections without end. Who waits for one waits within
        # the lookup's timeout.
        self._pool = BlockingConnectionPool(
            max_connections=MOST_CONNECTIONS,
            timeout=None,
            connection_class=CONNECTIONS[self._address.kind],
            # A connection that broke while it lay idle says so only when it is used: once more, on a new one.
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[RedisConnectionError],
            **self._address.options,
        )
        self._client = Redis(connection_pool=self._pool)
        self._serialised_schema: bytes | None = None
        self._readers: RowReaders | None = None
        self._trouble = ""
        self._unfit: set[str] = set()

    @property
    def available(self) -> bool:
        """Whether lookups are answered from Redis now, rather than with defaults."""
        return not self._trouble

    async def check(self, features: Features) -> None:
        """Verify that Redis holds what the bundle with `features` reads; nothing is known while it does not answer.

        Raises:
            BundleError: a feature is missing.
        """
        answer = await self._ask([])
        if answer is not None:
            answer[0].of(features)

    async def lookup(self, item_ids: Sequence[str], features: Features) -> LookedUp:
        """The features of items, in their order; defaults for what Redis does not hold or does not tell in time."""
        answer = await self._ask(item_ids)
        if answer is None:
            return default_rows(len(item_ids), features)
        readers, rows = answer
        try:
            return readers.of(features).read(rows)
        except BundleError as error:
            self._say_once(str(error))
            return default_rows(len(item_ids), features)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    async def _ask(self, item_ids: Sequence[str]) -> tuple[RowReaders, list[bytes | None]] | None:
        """The rows of items and the readers of their schema; None while Redis is left alone, fails or holds no schema.

        One MGET is one moment in Redis: schema and rows belong together.
        """
        if not self._breaker.allows():
            return None
        keys = [self._prefix + SCHEMA_KEY, *(self._prefix + item_key(item_id) for item_id in item_ids)]
        try:
            schema, *rows = await asyncio.wait_for(self._client.mget(keys), self._timeout)
        except FAILURES as error:
            self._breaker.failed()
            if not self._breaker.closed:
                self._tell(self._described(error))
            return None
        self._breaker.succeeded()
        readers = self._readers_of(schema)
        return None if readers is None else (readers, rows)

    def _readers_of(self, schema: bytes | None) -> RowReaders | None:
        """The readers of a schema as Redis holds it; None where it cannot be read."""
        if schema is None:
            self._tell("it holds no schema; fill it with 'seriatim features load'")
            return None
        if schema != self._serialised_schema or self._readers is None:
            try:
                self._readers = RowReaders(StoreSchema.parse(schema), self._source)
            except ValueError as error:
                self._tell(f"schema: {error}; fill it with 'seriatim features load'")
                return None
            self._serialised_schema = schema
            self._unfit.clear()
        self._tell("")
        return self._readers

    def _described(self, error: BaseException) -> str:
        if isinstance(error, asyncio.TimeoutError):
            return f"no answer within {1000 * self._timeout:g} ms"
        return self._address.without_secrets(f"{type(error).__name__}: {error}").rstrip(".")

    def _tell(self, trouble: str) -> None:
        """Log when lookups cease or begin again to be answered, rather than with every request."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble:
            logger.warning("%s: %s; items get default features until this changes", self._source, trouble)
        else:
            logger.info("%s: items are looked up again", self._source)

    def _say_once(self, mistake: str) -> None:
        if mistake not in self._unfit:
            self._unfit.add(mistake)
            logger.error("%s; its items get default features", mistake)
