"""Tables that grow piece by piece on disk, many beside one another, for what does not fit in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa


class BucketFiles:
    """Arrow files in one folder, found by key; all pieces under one key have the same schema."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._writers: dict[Any, pa.RecordBatchStreamWriter] = {}
        self._keys: set[Any] = set()

    def append(self, key: Any, table: pa.Table) -> None:
        """Add rows behind those that stand under `key`; a key that was closed cannot be added to."""
        if key not in self._writers:
            if key in self._keys:
                raise ValueError(f"{key!r} is closed")
            self._keys.add(key)
            self._writers[key] = pa.ipc.new_stream(self._path(key), table.schema)
        self._writers[key].write_table(table)

    def close(self) -> None:
        """Finish all files: they can be read, and no longer added to."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def drop(self, key: Any) -> None:
        """Forget what stands under `key`, if anything does."""
        if key in self._writers:
            self._writers.pop(key).close()
        self._keys.discard(key)
        with suppress(FileNotFoundError):
            self._path(key).unlink()

    def names(self) -> list[Any]:
        """All keys, sorted."""
        return sorted(self._keys)

    def pieces(self, key: Any) -> Iterator[pa.Table]:
        """The rows under `key` as they were added, piece by piece; none where there are none."""
        if key in self._keys:
            with pa.OSFile(str(self._path(key))) as file, pa.ipc.open_stream(file) as reader:
                for batch in reader:
                    yield pa.Table.from_batches([batch])

    def _path(self, key: Any) -> Path:
        parts = key if isinstance(key, tuple) else (key,)
        return self._folder / ("-".join(map(str, parts)) + ".arrow")
