"""LETOR files (SVMLight with `qid:`) and LightGBM's ranking files (SVMLight with a `.query` file beside)."""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.readers.read_logs import ReadLog, read_from, readable
from seriatim_errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DOCUMENT_ID = re.compile(rb"#\s*docid\s*=\s*(\S+)")
NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+|nan|inf)(?:e[-+]?\d+)?"
LINE = re.compile(rb"\s*%s(\s+qid:\d+)?(?:\s+\d+:%s)*\s*(?:#.*)?" % (NUMBER, NUMBER), re.IGNORECASE | re.DOTALL)


class Parsed(NamedTuple):
    """One file: features `[rows, m]`, grades `[rows]`, query ids `[rows]` (empty without `qid:`)."""

    features: csr_matrix
    grades: NDArray[np.float64]
    queries: NDArray[np.int64]


def read_letor(paths: Sequence[Path], feature_count: int | None = None) -> list[ReadLog]:
    """Read LETOR files: `grade qid:Q 1:v 2:v ... #docid = D`, dense or sparse, plain or gzip.

    Args:
        paths: files of one data set; all get the same columns, named by the index in the file:
            `feature_1 ... feature_m`.
        feature_count: m; the largest index found when None.

    Raises:
        DataError: a file is empty, lacks `qid:` or is not SVMLight; the message names the line.
    """
    logs = []
    for path, parsed in zip(paths, _load(paths, feature_count, first_index=1, query_id=True), strict=True):
        if len(parsed.queries) != len(parsed.grades):
            raise DataError(f"{path}: not every line has 'qid:'; use format 'lightgbm' for files without it")
        documents = _document_ids(path, len(parsed.grades))
        logs.append(_as_log(path, parsed, parsed.queries.astype(str), documents, first_index=1))
    return logs


def read_lightgbm(paths: Sequence[Path], feature_count: int | None = None) -> list[ReadLog]:
    """Read LightGBM ranking files: SVMLight without qid, group sizes in `NAME.query` (or `NAME.query.gz`).

    Args:
        paths: files of one data set; features are named by the index in the file, which may start at 0 (a
            first feature that is 0 in every row is left out).
        feature_count: the number of features with the one of index 0; the largest index found plus 1 when None.

    Raises:
        DataError: the `.query` file is missing or its sizes do not add up to the rows, or a file is not SVMLight.
    """
    logs = []
    parsed_files = _load(paths, feature_count, first_index=0, query_id=False)
    first_index = 0 if any(parsed.features[:, 0].nnz for parsed in parsed_files) else 1
    for path, parsed in zip(paths, parsed_files, strict=True):
        sizes = _group_sizes(path)
        if sizes.sum() != len(parsed.grades):
            raise DataError(
                f"{path}: the query file counts {sizes.sum()} rows, the data have {len(parsed.grades)}; they must agree"
            )
        queries = np.repeat([f"{path.name}/{index}" for index in range(len(sizes))], sizes)
        parsed = parsed._replace(features=parsed.features[:, first_index:])
        logs.append(_as_log(path, parsed, queries, [None] * len(parsed.grades), first_index))
    return logs


def query_file(path: Path) -> Path:
    """The file of group sizes beside a LightGBM ranking file.

    Raises:
        DataError: there is none.
    """
    stem = path.name.removesuffix(".gz")
    for candidate in (path.with_name(f"{stem}.query"), path.with_name(f"{stem}.query.gz")):
        if candidate.exists():
            return candidate
    raise DataError(f"{path}: no {stem}.query beside it; LightGBM ranking data need the group sizes")


def _load(paths: Sequence[Path], feature_count: int | None, first_index: int, query_id: bool) -> list[Parsed]:
    # Takes a second to import, which readers of other formats need not wait for.
    from sklearn.datasets import load_svmlight_files

    for path in paths:
        with readable(path, "SVMLight"), _open(path) as lines:
            if not lines.readline().strip():
                raise DataError(f"{path} is empty; give SVMLight lines: grade qid:Q 1:value 2:value")
    try:
        flat = load_svmlight_files(
            [str(path) for path in paths],
            n_features=feature_count,
            dtype=np.float32,
            zero_based=first_index == 0,
            query_id=query_id,
        )
    except (ValueError, OSError, EOFError) as error:
        for path in paths:
            _refuse_first_bad_line(path, first_index, query_id)
        names = ", ".join(str(path) for path in paths)
        raise DataError(f"not SVMLight ({names}): {error}") from None
    width = 3 if query_id else 2
    no_queries = np.zeros(0, np.int64)
    return [Parsed(*(*flat[start : start + width], no_queries)[:3]) for start in range(0, len(flat), width)]


def _refuse_first_bad_line(path: Path, first_index: int, query_id: bool) -> None:
    wanted = "'grade qid:Q 1:value 2:value'" if query_id else "'grade 1:value 2:value'"
    with readable(path, "SVMLight"), _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            content = line.split(b"#")[0]
            indices = [int(found) for found in re.findall(rb"\s(\d+):", content)]
            ascending = all(one < other for one, other in itertools.pairwise(indices))
            if content.strip() and (
                not LINE.fullmatch(line) or not ascending or (indices and indices[0] < first_index)
            ):
                text = line[:80].decode(errors="replace").strip()
                raise DataError(
                    f"{path}, line {number}: {text!r} is not {wanted} with ascending indices from {first_index}"
                )


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _document_ids(path: Path, rows: int) -> list[str | None]:
    with _open(path) as lines:
        found = [DOCUMENT_ID.search(line) for line in lines if line.strip() and not line.startswith(b"#")]
    if len(found) != rows:
        return [None] * rows
    return [None if match is None else match.group(1).decode(errors="replace") for match in found]


def _group_sizes(path: Path) -> NDArray[np.int64]:
    sizes = query_file(path)
    try:
        with readable(sizes, "query"), _open(sizes) as lines:
            return np.array(lines.read().split(), dtype=np.int64)
    except ValueError:
        raise DataError(f"{sizes} holds more than whole numbers; give the size of one query a line") from None


def _as_log(
    path: Path, parsed: Parsed, queries: NDArray[np.str_], documents: list[str | None], first_index: int
) -> ReadLog:
    """Long rows; the position is the order in the file, the time is the epoch because there is none."""
    positions = pd.Series(queries).groupby(queries, sort=False).cumcount().to_numpy() + 1
    items = [
        document or f"{query}/{position}"
        for document, query, position in zip(documents, queries, positions, strict=True)
    ]
    columns = {
        "request_id": pa.array(queries, pa.string()),
        "timestamp": pa.array(np.zeros(len(items), np.int64)).cast(pa.timestamp("us")),
        "item_id": pa.array(items, pa.string()),
        "position": pa.array(positions.astype(np.int32)),
        "grade": pa.array(parsed.grades.astype(np.float32)),
    }
    by_feature = parsed.features.tocsc()
    for index in range(by_feature.shape[1]):
        values = by_feature[:, [index]].toarray()[:, 0]
        columns[f"feature_{index + first_index}"] = pa.array(values)
    return read_from(path, pa.table(columns))
