"""Rows of a store as the matrix that a bundle reads: columns by name, defaults for what is not there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.bundle.manifest import Features
from serving.features.lookup import LookedUp
from serving.features.schema import StoreSchema

# More than the bundles that are served at a time.
MOST_READERS = 16


class RowReader:
    """Reads the rows of one schema for one bundle.

    Args:
        schema: of the store; its columns may stand in another order and be more than the bundle reads.
        features: of the bundle.
        source: the store's name in messages.

    Raises:
        BundleError: the store lacks a feature of the bundle.
    """

    def __init__(self, schema: StoreSchema, features: Features, source: str) -> None:
        places = {name: place for place, name in enumerate(schema.features)}
        for name in features.item:
            if name not in places:
                raise BundleError(
                    f"{source} holds no feature {name!r}, which the bundle reads (it holds "
                    f"{', '.join(schema.features)}); write it from this bundle, or send features with every request"
                )
        self._row_bytes = schema.row_bytes
        self._columns = np.array([places[name] for name in features.item], np.intp)
        self._as_stored = schema.features == features.item
        self._defaults = default_row(features)

    def read(self, rows: Sequence[bytes | memoryview | None]) -> LookedUp:
        """The rows as features; None and rows of another length are items that the store does not know.

        A value that is not finite counts as missing: it becomes the default, and the item stays known.
        """
        known = np.fromiter((row is not None and len(row) == self._row_bytes for row in rows), bool, len(rows))
        matrix = np.empty((len(rows), len(self._defaults)), np.float32)
        matrix[:] = self._defaults
        if known.any():
            content = b"".join(
                row for row, there in zip(rows, known.tolist(), strict=True) if row is not None and there
            )
            values = np.frombuffer(content, "<f4").reshape(-1, self._row_bytes // 4)
            values = values if self._as_stored else values[:, self._columns]
            finite = np.isfinite(values)
            matrix[known] = values if finite.all() else np.where(finite, values, self._defaults)
        return LookedUp(matrix, known)


class RowReaders:
    """The readers of one schema, made once a bundle."""

    def __init__(self, schema: StoreSchema, source: str) -> None:
        self.schema = schema
        self._source = source
        # By identity, for hashing the names of a wide bundle takes longer than the lookup. The bundle's features are
        # kept beside the reader, so that no other object can take their place in memory.
        self._readers: dict[int, tuple[Features, RowReader]] = {}

    def of(self, features: Features) -> RowReader:
        """The reader for the bundle with `features`.

        Raises:
            BundleError: the store lacks a feature of the bundle.
        """
        found = self._readers.get(id(features))
        if found is not None:
            return found[1]
        reader = RowReader(self.schema, features, self._source)
        if len(self._readers) >= MOST_READERS:
            del self._readers[next(iter(self._readers))]
        self._readers[id(features)] = (features, reader)
        return reader


def default_row(features: Features) -> NDArray[np.float32]:
    """The bundle's declared defaults, float32 `[item features]`; 0 for a feature without one."""
    return np.array([features.defaults.get(name, 0.0) for name in features.item], np.float32)


def default_rows(items: int, features: Features) -> LookedUp:
    """The answer of a store that knows none of `items` items."""
    return LookedUp(np.tile(default_row(features), (items, 1)), np.zeros(items, bool))
