"""An item catalogue whose thumbnails are kept as coded pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from pipelines.pictures import CODED
from pipelines.thumbnails import read_thumbnails
from seriatim_errors import DataError
from serving.images.decoding import decoded
from serving.runtime.query import InvalidRequestError
from vision_components.codec import Codec


@dataclass(frozen=True)
class Recoded:
    """What was coded.

    Attributes:
        thumbnails: that are coded pictures now.
        kept: that stay as they are, for nobody can read them or they are coded already.
        before, after: bytes of all thumbnails.
    """

    thumbnails: int
    kept: int
    before: int
    after: int


def recode_catalogue(
    path: Path, column: str, codec: Codec, out: Path, tell: Callable[[int], None] = lambda rows: None
) -> Recoded:
    """Write a catalogue with the same rows and columns, and coded pictures in place of image files.

    What cannot be read as an image stays, byte for byte: the run that reads the catalogue counts it.

    Args:
        path: Parquet file with `item_id` and the thumbnails.
        column: of the thumbnails' bytes.
        codec: that codes them.
        out: the new file; it must not exist.
        tell: is told numbers of rows that are done.

    Raises:
        DataError: the file is no catalogue with thumbnails, or `out` exists.
    """
    if out.exists():
        raise DataError(f"{out} exists already; name a new file")
    # Names the file, column and type that are wrong.
    next(read_thumbnails(path, column, None), None)
    file = pa.parquet.ParquetFile(path)
    place = file.schema_arrow.names.index(column)
    field = file.schema_arrow.field(column)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    sizes, counts = np.zeros(2, np.int64), np.zeros(2, np.int64)
    try:
        with pa.parquet.ParquetWriter(partial, file.schema_arrow) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                before = table[column].to_pylist()
                after = [None if content is None else _coded(content, codec) for content in before]
                sizes += [sum(len(one) for one in side if one is not None) for side in (before, after)]
                changed = [old != new for old, new in zip(before, after, strict=True) if old is not None]
                counts += [sum(changed), len(changed) - sum(changed)]
                writer.write_table(table.set_column(place, field, pa.array(after, field.type)))
                tell(len(table))
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return Recoded(int(counts[0]), int(counts[1]), int(sizes[0]), int(sizes[1]))


def _coded(content: bytes, codec: Codec) -> bytes:
    if content.startswith(CODED):
        return content
    try:
        return codec.encode(np.asarray(decoded(content, "thumbnail")))
    except InvalidRequestError:
        return content
