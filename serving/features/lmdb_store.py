"""Item features in an LMDB file beside the process: a lookup takes microseconds and waits for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import lmdb

from seriatim_errors import BundleError
from serving.bundle.manifest import Features
from serving.features.item_keys import HASHED, RESERVED, SCHEMA_KEY, item_key
from serving.features.lookup import LookedUp
from serving.features.row_reader import RowReaders
from serving.features.schema import StoreSchema
from serving.features.shared_environment import RESTORE, SharedEnvironment


class LmdbStore:
    """Reads a file that `write_lmdb` wrote; the file stays mapped until `close`.

    Args:
        path: the file.
        features: of the bundle that will read it; None: of none in particular.

    Raises:
        BundleError: the file is missing, corrupt or cut short, its schema is of another format, or it lacks one of
            the `features`.

    Attributes:
        schema: of the file.
    """

    available = True

    def __init__(self, path: Path, features: Features | None = None) -> None:
        self._path = path
        self._shared = SharedEnvironment(path)
        try:
            self.schema = self._read_schema()
            self._readers = RowReaders(self.schema, str(path))
            if features is not None:
                self._readers.of(features)
        except BundleError:
            self._shared.close()
            raise

    async def check(self, features: Features) -> None:
        """Verify that the file holds what the bundle with `features` reads.

        Raises:
            BundleError: a feature is missing.
        """
        self._readers.of(features)

    async def lookup(self, item_ids: Sequence[str], features: Features) -> LookedUp:
        """The features of items, in their order; defaults for those that the file does not hold.

        Nothing is awaited: the file is in memory, and a thread would cost more than the reading.

        Raises:
            BundleError: the file lacks a feature of the bundle, or turns out to be corrupt.
        """
        reader = self._readers.of(features)
        try:
            with self._shared.environment.begin(buffers=True) as transaction:
                return reader.read([transaction.get(item_key(item_id)) for item_id in item_ids])
        except lmdb.Error as error:
            raise BundleError(f"{self._path} is corrupt: {error}; {RESTORE}") from None

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Every item's key and row, in the order of the keys.

        Raises:
            BundleError: the file turns out to be corrupt, or a row has another length than the schema says.
        """
        try:
            with self._shared.environment.begin() as transaction:
                for key, row in transaction.cursor():
                    if key.startswith(RESERVED) and not key.startswith(HASHED):
                        continue
                    if len(row) != self.schema.row_bytes:
                        raise BundleError(
                            f"{self._path}: the row of {key!r} has {len(row)} bytes, expected "
                            f"{self.schema.row_bytes}; {RESTORE}"
                        )
                    yield key, row
        except lmdb.Error as error:
            raise BundleError(f"{self._path} is corrupt: {error}; {RESTORE}") from None

    async def close(self) -> None:
        """Unmap the file."""
        self.close_now()

    def close_now(self) -> None:
        """Unmap the file, for callers without an event loop."""
        self._shared.close()

    def _read_schema(self) -> StoreSchema:
        environment = self._shared.environment
        try:
            with environment.begin() as transaction:
                content = transaction.get(SCHEMA_KEY)
                entries = environment.stat()["entries"]
        except lmdb.Error as error:
            raise BundleError(f"{self._path} is corrupt: {error}; {RESTORE}") from None
        if content is None:
            raise BundleError(f"{self._path} holds no schema of item features; {RESTORE}")
        try:
            schema = StoreSchema.parse(content)
        except ValueError as error:
            raise BundleError(f"{self._path}: schema of item features: {error}; {RESTORE}") from None
        if entries != schema.items + 1:
            raise BundleError(f"{self._path} holds {entries - 1} items, its schema says {schema.items}; {RESTORE}")
        return schema
