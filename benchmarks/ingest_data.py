"""A generated click log of any size for the ingestion benchmark, written piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

LIST_SIZE, CONTEXT_FEATURES, CANDIDATE_FEATURES = 10, 4, 16
REQUESTS_AT_ONCE, ITEMS = 20_000, 50_000
FEATURES = (
    *(f"context_{place}" for place in range(CONTEXT_FEATURES)),
    *(f"feature_{place}" for place in range(CANDIDATE_FEATURES)),
)


def write_logs(rows: int, folder: Path) -> dict[str, Path]:
    """Write the same log as Parquet and as CSV, unless they are there; returns their paths by format."""
    paths = {kind: folder / f"log_{rows}.{kind}" for kind in ("parquet", "csv")}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        partial = {kind: path.with_suffix(f".{kind}.partial") for kind, path in paths.items()}
        schema = next(_pieces(LIST_SIZE)).schema
        with (
            pa.parquet.ParquetWriter(partial["parquet"], schema) as parquet,
            pa.csv.CSVWriter(partial["csv"], schema) as csv,
        ):
            for piece in _pieces(rows):
                parquet.write_table(piece)
                csv.write_table(piece)
        for kind, path in paths.items():
            partial[kind].rename(path)
    return paths


def _pieces(rows: int) -> Iterator[pa.Table]:
    """Requests of ten items; the rows of up to a hundred requests are mixed, as where many write one log."""
    requests = -(-rows // LIST_SIZE)
    for start in range(0, requests, REQUESTS_AT_ONCE):
        rng = np.random.default_rng(start)
        count = min(REQUESTS_AT_ONCE, requests - start)
        of_request = np.repeat(np.arange(start, start + count), LIST_SIZE)
        context = rng.random((count, CONTEXT_FEATURES)).round(4)
        candidate = rng.random((len(of_request), CANDIDATE_FEATURES)).round(4)
        # Distinct within a request: consecutive numbers from a random one on.
        first = np.repeat(rng.integers(ITEMS, size=count), LIST_SIZE)
        position = np.tile(np.arange(LIST_SIZE), count)
        columns = {
            "request_id": pa.array(np.char.add("request-", of_request.astype(str))),
            "timestamp": pa.array(1_700_000_000_000_000 + 1_000_000 * of_request),
            "item_id": pa.array(np.char.add("item-", ((first + position) % ITEMS).astype(str))),
            "position": pa.array(position + 1),
            "clicked": pa.array((rng.random(len(of_request)) < 0.1).astype(np.int64)),
            "propensity": pa.array(rng.uniform(0.1, 1, len(of_request)).round(4)),
        }
        features = np.concatenate([np.repeat(context, LIST_SIZE, axis=0), candidate], axis=1)
        columns |= {name: pa.array(features[:, place]) for place, name in enumerate(FEATURES)}
        mixed = np.argsort(of_request + rng.uniform(0, 100, len(of_request)), kind="stable")
        yield pa.table(columns).take(pa.array(mixed))
