"""The item catalogue: one row an item, its tags 1, 0 or unknown; whatever else it says stops the run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from pipelines.log_columns import NULL_SPELLINGS, text_column
from pipelines.readers.files import FORMAT_BY_SUFFIX
from pipelines.readers.read_logs import readable
from pipelines.readers.tabular import read_csv, read_jsonl
from seriatim_errors import DataError

UNKNOWN = -1
TAG_SPELLINGS = {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0}
MAX_SHOWN_COLUMNS = 12


@dataclass(frozen=True)
class ItemCatalogue:
    """The tags of a catalogue's items.

    Attributes:
        item_ids: object (str) `[items]`, distinct, in the file's order.
        labels: names of the tags: their columns' names without the prefix.
        tags: int8 `[items, labels]`: 1, 0, or -1 where the catalogue does not say.
    """

    item_ids: NDArray[np.object_]
    labels: tuple[str, ...]
    tags: NDArray[np.int8]

    @property
    def fingerprint(self) -> str:
        """sha256 of items, labels and tags, 16 hex digits; what else the file holds does not count."""
        digest = hashlib.sha256(json.dumps([self.item_ids.tolist(), self.labels]).encode())
        digest.update(np.ascontiguousarray(self.tags).tobytes())
        return digest.hexdigest()[:16]

    def write(self, path: Path, prefix: str) -> None:
        """Write items and tags alone as Parquet, to be read again by `read_catalogue` with the same prefix."""
        columns = {"item_id": pa.array(self.item_ids, pa.string())}
        for index, label in enumerate(self.labels):
            columns[prefix + label] = pa.array(self.tags[:, index], mask=self.tags[:, index] == UNKNOWN)
        pa.parquet.write_table(pa.table(columns), path)


def read_catalogue(path: Path, prefix: str) -> ItemCatalogue:
    """Read a catalogue: Parquet, CSV or JSON lines, told by its name.

    A catalogue is made by its owner and decides what customers are told of an item, so nothing in it is mended
    or left out: the first thing found against it is an error.

    Args:
        path: the file, with `item_id` and at least one column of tags; other columns are not looked at.
        prefix: what the names of tag columns start with. Tags are 1 and 0, true and false, as numbers, booleans
            or text; null, and in text also an empty field, NA and N/A, is unknown.

    Raises:
        DataError: the file is absent or unreadable, has a malformed line, no `item_id` or no tag column, a column
            twice, an item twice or without a name, or a tag of another value; the message names file, column, row
            (1-based, without the header) and value.
    """
    names, table = _read(path, prefix)
    columns = [name for name in names if name.startswith(prefix)]
    found = ", ".join(names[:MAX_SHOWN_COLUMNS]) or "none"
    for name in ("item_id", *columns):
        if names.count(name) > 1:
            raise DataError(f"data.items {path}: column {name!r} stands twice; rename or remove one of the two")
    if "item_id" not in names:
        raise DataError(f"data.items {path}: column 'item_id' is missing (found: {found}); name every item by it")
    if not columns:
        raise DataError(
            f"data.items {path}: no column starts with {prefix!r} (found: {found}); "
            "name the tag columns so, or set labeller.label_prefix to how they start"
        )
    if prefix in columns:
        raise DataError(f"data.items {path}: column {prefix!r} has no name after the prefix; give the tag a name")
    if len(table) == 0:
        raise DataError(f"data.items {path} has no rows; give one row an item")
    return ItemCatalogue(
        item_ids=_item_ids(path, table["item_id"]),
        labels=tuple(name.removeprefix(prefix) for name in columns),
        tags=np.stack([_tags(path, name, table[name]) for name in columns], axis=1),
    )


def _read(path: Path, prefix: str) -> tuple[list[str], pa.Table]:
    """The names of the file's columns, and a table of at least those that are looked at."""
    if not path.exists():
        raise DataError(f"data.items {path} does not exist; give an item catalogue, or set labeller to null")
    kind = FORMAT_BY_SUFFIX.get(Path(path.name.removesuffix(".gz")).suffix)
    if kind == "parquet" and not path.is_dir():
        with readable(path, "Parquet"):
            file = pa.parquet.ParquetFile(path)
            names = file.schema_arrow.names
            # Pictures may lie in the same file: only what is looked at is read.
            wanted = [name for name in names if name == "item_id" or name.startswith(prefix)]
            return names, file.read(columns=wanted)
    if kind not in ("csv", "jsonl") or path.is_dir():
        raise DataError(f"data.items {path}: cannot tell its format; give a file named .parquet, .csv or .jsonl")
    log = read_csv(path) if kind == "csv" else read_jsonl(path)
    if len(log.malformed):
        line, text = log.malformed["line"][0].as_py(), log.malformed["text"][0].as_py()
        raise DataError(f"data.items {path}: line {line} is malformed: {text!r}; mend or remove it")
    return log.table.column_names, log.table


def _item_ids(path: Path, column: pa.ChunkedArray) -> NDArray[np.object_]:
    try:
        names = text_column("item_id", _plain(column)).to_pandas().to_numpy(object)
    except DataError as error:
        raise DataError(f"data.items {path}: {error}") from None
    missing = names == ""
    if missing.any():
        raise DataError(f"data.items {path}: row {int(np.argmax(missing)) + 1} has no item_id; name the item")
    repeated = pd.Series(names).duplicated().to_numpy()
    if repeated.any():
        row = int(np.argmax(repeated))
        first = int(np.argmax(names == names[row]))
        raise DataError(
            f"data.items {path}: item_id {names[row]!r} stands in row {first + 1} and again in row {row + 1}; "
            "keep one row an item"
        )
    return names


def _tags(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[np.int8]:
    column = _plain(column)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = column.to_pandas().fillna("").str.strip()
        values = text.str.lower().map(TAG_SPELLINGS).to_numpy(np.float64)
        missing = text.isin(NULL_SPELLINGS).to_numpy()
    elif pa.types.is_null(kind):
        return np.full(len(column), UNKNOWN, np.int8)
    elif _is_number(kind):
        missing = pc.is_null(column).to_numpy()
        values = pc.fill_null(pc.cast(column, pa.float64(), safe=False), 0.0).to_numpy()
    else:
        raise DataError(f"data.items {path}: column {name!r} holds {kind}; give 1, 0, or null where unknown")
    bad = ~missing & (values != 0) & (values != 1)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"data.items {path}: column {name!r} has {column[row].as_py()!r} in row {row + 1} "
            f"({int(bad.sum())} such rows); give 1, 0, or null where unknown"
        )
    return np.where(missing, UNKNOWN, values).astype(np.int8)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_number(kind: pa.DataType) -> bool:
    return (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    )
