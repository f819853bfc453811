"""Every held-out item with its labels, its slices and every policy's score, as a file for other evaluators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.evaluation.slice_columns import SlicedRequests
from ranking.lists import RankingLists

JUDGED_FILE = "judged_items.parquet"
SCORE, SLICE, REFERENCE, LABELS = "score_", "slice_", b"reference", b"labels"


@dataclass(frozen=True)
class JudgedItems:
    """What the file says of itself.

    Attributes:
        labels: the labels that the verdict rests on, `clicks` or `grades`.
        reference: the policy that the candidate is compared with.
        policies: all that have scores.
        slices: columns by which requests are sliced.
    """

    labels: str
    reference: str
    policies: tuple[str, ...]
    slices: tuple[str, ...]


def write_judged_items(
    path: Path,
    lists: RankingLists,
    label: tuple[str, NDArray[np.floating]],
    rankings: Mapping[str, NDArray[np.floating]],
    reference: str,
    slices: Sequence[SlicedRequests],
) -> None:
    """Write the file: a row an item, those of a request together.

    Columns: `request_id`, `item_id` (strings), `label` (float32), for every policy `score_<policy>` (float64, the
    higher the earlier), and for every column of slices `slice_<column>` (string).

    Args:
        path: of the file.
        lists: the requests.
        label: the kind of the labels that the verdict rests on, and the labels, float `[items]`.
        rankings: scores by policy, float `[items]`.
        reference: the policy that the candidate is compared with.
        slices: which slice of each column every request is in.
    """
    request = lists.list_index
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(lists.request_ids[request].astype(str)),
        "item_id": pa.array(lists.item_ids.astype(str)),
        "label": pa.array(label[1], pa.float32()),
    }
    columns |= {f"{SCORE}{name}": pa.array(scores, pa.float64()) for name, scores in rankings.items()}
    for one in slices:
        columns[f"{SLICE}{one.column}"] = pa.array(np.array(one.names, object)[one.index][request], pa.string())
    table = pa.table(columns).replace_schema_metadata({REFERENCE: reference, LABELS: label[0]})
    pq.write_table(table, path)


def judged_items(path: Path) -> JudgedItems:
    """What the file says of itself."""
    schema = pq.read_schema(path)
    return JudgedItems(
        labels=schema.metadata[LABELS].decode(),
        reference=schema.metadata[REFERENCE].decode(),
        policies=tuple(name.removeprefix(SCORE) for name in schema.names if name.startswith(SCORE)),
        slices=tuple(name.removeprefix(SLICE) for name in schema.names if name.startswith(SLICE)),
    )
