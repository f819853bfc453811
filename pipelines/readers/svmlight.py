"""LETOR files (SVMLight with `qid:`) and LightGBM's ranking files (SVMLight with a `.query` file beside)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.datasets import load_svmlight_files

from pipelines.readers.malformed import ReadLog
from seriatim_errors import DataError

DOCUMENT_ID = re.compile(rb"#\s*docid\s*=\s*(\S+)")


def read_letor(paths: Sequence[Path], feature_count: int | None = None) -> list[ReadLog]:
    """Read LETOR files: `grade qid:Q 1:v 2:v ... #docid = D`, dense or sparse, plain or gzip.

    Args:
        paths: files of one data set; all get the same columns `feature_1 ... feature_m`.
        feature_count: m; the largest index found when None.

    Raises:
        DataError: a file is empty, lacks `qid:` or is not SVMLight.
    """
    parsed = _load(paths, feature_count, query_id=True)
    logs = []
    for path, (features, grades, queries) in zip(paths, parsed, strict=True):
        if len(queries) != len(grades):
            raise DataError(f"{path}: no 'qid:' on its lines; use format 'lightgbm' for files without it")
        documents = _document_ids(path, len(grades))
        starts = np.flatnonzero(np.concatenate([[True], queries[1:] != queries[:-1]]))
        logs.append(_as_log(features, grades, queries.astype(str), starts, documents))
    return logs


def read_lightgbm(paths: Sequence[Path], feature_count: int | None = None) -> list[ReadLog]:
    """Read LightGBM ranking files: SVMLight without qid, group sizes in `NAME.query` (or `NAME.query.gz`).

    Raises:
        DataError: the `.query` file is missing or its sizes do not add up to the rows.
    """
    logs = []
    parsed = _load(paths, feature_count, query_id=False)
    for path, (features, grades) in zip(paths, parsed, strict=True):
        sizes = _group_sizes(path)
        if sizes.sum() != len(grades):
            raise DataError(
                f"{path}: the query file counts {sizes.sum()} rows, the data have {len(grades)}; they must agree"
            )
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        queries = np.repeat([f"{path.name}/{index}" for index in range(len(sizes))], sizes)
        logs.append(_as_log(features, grades, queries, starts, [None] * len(grades)))
    return logs


def _load(paths: Sequence[Path], feature_count: int | None, query_id: bool) -> list[tuple]:
    for path in paths:
        if path.stat().st_size == 0 or not _first_line(path).strip():
            raise DataError(f"{path} is empty; give SVMLight lines: grade qid:Q 1:value 2:value")
    try:
        flat = load_svmlight_files(
            [str(path) for path in paths],
            n_features=feature_count,
            dtype=np.float32,
            zero_based=False,
            query_id=query_id,
        )
    except ValueError as error:
        names = ", ".join(str(path) for path in paths)
        raise DataError(f"not SVMLight ({names}): {error}; lines look like 'grade qid:Q 1:value'") from None
    width = 3 if query_id else 2
    return [tuple(flat[start : start + width]) for start in range(0, len(flat), width)]


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _first_line(path: Path) -> bytes:
    try:
        with _open(path) as lines:
            return lines.readline()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def _document_ids(path: Path, rows: int) -> list[str | None]:
    with _open(path) as lines:
        found = [DOCUMENT_ID.search(line) for line in lines if line.strip() and not line.startswith(b"#")]
    if len(found) != rows:
        return [None] * rows
    return [None if match is None else match.group(1).decode() for match in found]


def _group_sizes(path: Path) -> NDArray[np.int64]:
    stem = path.name.removesuffix(".gz")
    for candidate in (path.with_name(f"{stem}.query"), path.with_name(f"{stem}.query.gz")):
        if candidate.exists():
            with _open(candidate) as lines:
                return np.array(lines.read().split(), dtype=np.int64)
    raise DataError(f"{path}: no {stem}.query beside it; LightGBM ranking data need the group sizes")


def _as_log(
    features: object,
    grades: NDArray[np.float64],
    queries: NDArray[np.str_],
    starts: NDArray[np.int64],
    documents: list[str | None],
) -> ReadLog:
    """Long rows; the position is the order in the file, the time is the epoch because there is none."""
    dense = features.toarray()  # type: ignore[attr-defined]
    rows = len(grades)
    sizes = np.diff(np.concatenate([starts, [rows]]))
    positions = np.arange(rows) - np.repeat(starts, sizes) + 1
    items = [
        document or f"{query}/{position}"
        for document, query, position in zip(documents, queries, positions, strict=True)
    ]
    columns = {
        "request_id": pa.array(queries, pa.string()),
        "timestamp": pa.array(np.zeros(rows, np.int64)).cast(pa.timestamp("us")),
        "item_id": pa.array(items, pa.string()),
        "position": pa.array(positions.astype(np.int32)),
        "grade": pa.array(grades.astype(np.float32)),
    }
    for index in range(dense.shape[1]):
        columns[f"feature_{index + 1}"] = pa.array(np.ascontiguousarray(dense[:, index]))
    return ReadLog(pa.table(columns))
