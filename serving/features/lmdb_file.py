"""Write item features as one LMDB file that is never changed again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import lmdb
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from seriatim_errors import DataError
from serving.bundle.manifest import first_mistake
from serving.features.item_keys import SCHEMA_KEY, item_key
from serving.features.schema import StoreSchema

PAGE_BYTES = 4096
# LMDB gives a record of more than half a page whole pages of its own.
HALF_A_PAGE = 2000
SMALLEST_MAP = 1 << 20


def write_lmdb(path: Path, item_ids: Sequence[str], matrix: NDArray[np.float32], names: Sequence[str]) -> None:
    """Write the features of items; the same input gives the same bytes.

    The file appears under its name when it is complete and on the disk; no lock file stays behind.

    Args:
        path: file to write; one that is there is replaced.
        item_ids: all different.
        matrix: float32 `[items, features]`, finite, or NaN where an item has no value.
        names: of the features, all different.

    Raises:
        DataError: an id or a name stands twice, the shapes disagree, or a value is infinite.
    """
    _check(item_ids, matrix, names)
    try:
        schema = StoreSchema.of(names, len(item_ids))
    except ValidationError as error:
        raise DataError(f"item features: {first_mistake(error)}") from None
    keys = [item_key(item_id) for item_id in item_ids]
    content = np.ascontiguousarray(matrix, "<f4")
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        environment = lmdb.open(str(partial), subdir=False, lock=False, map_size=_map_size(keys, schema), max_dbs=0)
        try:
            with environment.begin(write=True) as transaction:
                # Appended in the order of the keys, every page is filled before the next is begun.
                for key, row in sorted([*zip(keys, range(len(keys)), strict=True), (SCHEMA_KEY, -1)]):
                    value = schema.serialised() if key == SCHEMA_KEY else content[row].tobytes()
                    transaction.put(key, value, append=True)
        finally:
            environment.close()
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _check(item_ids: Sequence[str], matrix: NDArray[np.float32], names: Sequence[str]) -> None:
    if matrix.shape != (len(item_ids), len(names)):
        raise DataError(
            f"item features: shape {matrix.shape} for {len(item_ids)} items and {len(names)} names; "
            "give one row an item and one column a name"
        )
    if len(set(item_ids)) != len(item_ids):
        twice = Counter(item_ids).most_common(1)[0][0]
        raise DataError(f"item features: item {twice!r} stands twice; give every item one row")
    infinite = np.isinf(matrix)
    if infinite.any():
        row, column = map(int, np.unravel_index(int(np.argmax(infinite)), matrix.shape))
        raise DataError(
            f"feature {names[column]!r} of item {item_ids[row]!r} is {matrix[row, column]}; "
            "give a finite value, or NaN where there is none"
        )


def _map_size(keys: Sequence[bytes], schema: StoreSchema) -> int:
    """Bytes that the records take at most: pages are at least half full, large records have pages of their own."""
    row, overhead = schema.row_bytes, 16
    pages_of_its_own = 0 if row < HALF_A_PAGE else (row // PAGE_BYTES + 2) * PAGE_BYTES
    records = sum(len(key) + overhead + row for key in keys) * 2 + len(keys) * pages_of_its_own
    return SMALLEST_MAP + 2 * len(schema.serialised()) + records + records // 4
