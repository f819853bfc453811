"""Tables that grow piece by piece on disk, many beside one another, for what does not fit in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

# Systems allow a process about a thousand open files.
MOST_OPEN = 256


class BucketFiles:
    """Arrow files in one folder, found by key; all pieces under one key have the same schema."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._open: dict[Any, tuple[pa.RecordBatchStreamWriter, IO[bytes]]] = {}
        self._keys: set[Any] = set()

    def append(self, key: Any, table: pa.Table) -> None:
        """Add rows behind those that stand under `key`."""
        if key not in self._open:
            if len(self._open) >= MOST_OPEN:
                self.close()
            self._keys.add(key)
            file = self._path(key).open("ab")
            self._open[key] = (pa.ipc.new_stream(file, table.schema), file)
        self._open[key][0].write_table(table)

    def close(self) -> None:
        """Finish what was added, so that it can be read."""
        for key in list(self._open):
            self._close(key)

    def drop(self, key: Any) -> None:
        """Forget what stands under `key`, if anything does."""
        if key in self._open:
            self._close(key)
        self._keys.discard(key)
        with suppress(FileNotFoundError):
            self._path(key).unlink()

    def names(self) -> list[Any]:
        """All keys, sorted."""
        return sorted(self._keys)

    def pieces(self, key: Any) -> Iterator[pa.Table]:
        """The rows under `key` as they were added, piece by piece; none where there are none."""
        if key not in self._keys:
            return
        with pa.OSFile(str(self._path(key))) as file:
            # A file that was closed and added to again holds several streams, one behind another.
            while file.tell() < file.size():
                with pa.ipc.open_stream(file) as reader:
                    for batch in reader:
                        yield pa.Table.from_batches([batch])

    def _close(self, key: Any) -> None:
        writer, file = self._open.pop(key)
        writer.close()
        file.close()

    def _path(self, key: Any) -> Path:
        parts = key if isinstance(key, tuple) else (key,)
        return self._folder / ("-".join(map(str, parts)) + ".arrow")
