"""Features of items from their thumbnails: a cascade reads each picture once, and never one that it has read before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from pipelines.image_features import FEATURES_FILE, ImageFeatureNames
from pipelines.picture_opening import PictureOpening
from pipelines.pictures import PictureOpener
from pipelines.thumbnails import content_hash, read_thumbnails
from seriatim_errors import DataError
from serving.images.decoding import prepared
from serving.images.golden import self_test
from serving.images.manifest import CASCADE_FILE
from serving.images.reader import open_cascade
from serving.images.routing import judge
from serving.images.stage_graph import load_stages
from serving.runtime.query import InvalidRequestError

UNREADABLE_FILE, SUMMARY_FILE = "unreadable.parquet", "summary.json"


class Picture(NamedTuple):
    """An encoded image and what it is known by."""

    key: str
    content: bytes


@dataclass(frozen=True)
class PictureScore:
    """What the cascade says of a picture; `features` is empty where it cannot be read, and `reason` says why."""

    key: str
    features: NDArray[np.float32]
    exit_stage: int
    reason: str = ""

    def as_row(self) -> dict[str, Any]:
        """As a row of `SCORE_SCHEMA`."""
        return {**vars(self), "features": self.features.tolist()}


SCORE_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("features", pa.list_(pa.float32())),
        ("exit_stage", pa.int64()),
        ("reason", pa.string()),
    ]
)


class PictureReader:
    """A cascade that reads pictures in batches, each stage those that come to it.

    Args:
        folder: of the cascade.
        names: of the features.
        opener: of thumbnails; None where all are JPEG, PNG or WebP files and no sky is looked for.

    Raises:
        BundleError: the cascade is not sound, or does not say of its golden images what it promises.
    """

    def __init__(self, folder: Path, names: ImageFeatureNames, opener: PictureOpener | None = None) -> None:
        cascade = open_cascade(folder)
        self._manifest, self._names, self._opener = cascade.manifest, names, opener or PictureOpener(PictureOpening())
        self._graphs = load_stages(cascade.folder, cascade.manifest)
        self_test(cascade.manifest.version, self._graphs, cascade.golden())

    def read(self, pictures: Sequence[Picture]) -> list[PictureScore]:
        """Scores of some pictures, in their order; a picture that cannot be decoded has a reason instead."""
        sizes = [graph.size for graph in self._graphs]
        pixels: list[Sequence[NDArray[np.uint8]]] = []
        skies: list[NDArray[np.float32]] = []
        scores: list[PictureScore | None] = []
        for picture in pictures:
            try:
                opened = self._opener.open(picture.content)
                pixels.append(prepared(opened.source, sizes, "thumbnail"))
                skies.append(opened.sky)
                scores.append(None)
            except InvalidRequestError as error:
                scores.append(PictureScore(picture.key, np.zeros(0, np.float32), -1, str(error)))
        rows = [row for row, score in enumerate(scores) if score is None]
        for place, answer in zip(rows, self._routed(pixels, skies), strict=True):
            scores[place] = PictureScore(pictures[place].key, *answer)
        return [score for score in scores if score is not None]

    def _routed(
        self, pixels: Sequence[Sequence[NDArray[np.uint8]]], skies: Sequence[NDArray[np.float32]]
    ) -> Iterator[tuple[NDArray[np.float32], int]]:
        found: dict[int, tuple[NDArray[np.float32], int]] = {}
        coming, totals = list(range(len(pixels))), None
        for stage, graph in enumerate(self._graphs):
            if not coming:
                break
            answer = graph.run([pixels[row][stage] for row in coming])
            verdict = judge(self._manifest, stage, totals, answer.probabilities)
            leaving = np.array(verdict.leaving)
            for place in np.flatnonzero(leaving):
                embedding, sure = answer.embeddings[place], float(verdict.confidences[place])
                features = self._names.row(verdict.probabilities[place], embedding, sure, stage, skies[coming[place]])
                found[coming[place]] = features, stage
            staying = np.flatnonzero(~leaving)
            totals = verdict.totals[staying]
            coming = [coming[place] for place in staying]
        return (found[row] for row in range(len(pixels)))


@lru_cache(maxsize=2)
def picture_reader(folder: str, names: str, opening: str) -> PictureReader:
    """The reader of a cascade, loaded once in a process."""
    opener = PictureOpener(PictureOpening.model_validate_json(opening))
    return PictureReader(Path(folder), ImageFeatureNames.from_json(names), opener)


class ScoreCache:
    """Scores of pictures by their content, of one cascade and one way to open them: nothing is read twice.

    Args:
        folder: of caches, one file a cascade and way, named after the checksum of `cascade.json`, which holds those of
            its graphs, and the version of the way. Made when absent.
        cascade: folder of the cascade.
        opened: version of how pictures are opened.
    """

    def __init__(self, folder: Path, cascade: Path, opened: str) -> None:
        self._path = folder / f"{content_hash((cascade / CASCADE_FILE).read_bytes())}-{opened}.parquet"
        self.scores: dict[str, PictureScore] = {}
        if self._path.exists():
            self._read(self._path)

    def add(self, files: Iterable[Path]) -> None:
        """Keep the scores of some files of `SCORE_SCHEMA` too; a reader sees the old cache or the new one."""
        for file in files:
            self._read(file)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        rows = [score.as_row() for score in self.scores.values()]
        pa.parquet.write_table(pa.Table.from_pylist(rows, SCORE_SCHEMA), partial)
        os.replace(partial, self._path)

    def _read(self, file: Path) -> None:
        for row in pa.parquet.read_table(file, schema=SCORE_SCHEMA).to_pylist():
            self.scores[row["key"]] = PictureScore(**{**row, "features": np.array(row["features"], np.float32)})


def write_item_features(
    catalogue: Path,
    column: str,
    scores: Mapping[str, PictureScore],
    names: ImageFeatureNames,
    max_bad_share: float,
    folder: Path,
) -> None:
    """Write `features.parquet` (item_id and features of items with a picture), `unreadable.parquet`, `summary.json`.

    Raises:
        DataError: a larger share of the pictures than `max_bad_share` cannot be read; both files are written before.
    """
    items: list[str] = []
    rows: list[NDArray[np.float32]] = []
    unreadable: list[tuple[str, str]] = []
    exits, missing = np.zeros(names.stages, np.int64), 0
    for part in read_thumbnails(catalogue, column, None):
        for item, content in zip(part.item_ids, part.contents, strict=True):
            if content is None:
                missing += 1
                continue
            score = scores[content_hash(content)]
            if score.reason:
                unreadable.append((item, score.reason))
                continue
            items.append(item)
            rows.append(score.features)
            exits[score.exit_stage] += 1
    values = np.stack(rows) if rows else np.zeros((0, len(names.columns)), np.float32)
    columns = {"item_id": pa.array(items, pa.string())}
    columns |= {name: pa.array(values[:, place]) for place, name in enumerate(names.columns)}
    pa.parquet.write_table(pa.table(columns), folder / FEATURES_FILE)
    reasons = {"item_id": [item for item, _ in unreadable], "reason": [reason for _, reason in unreadable]}
    pa.parquet.write_table(pa.table(reasons), folder / UNREADABLE_FILE)
    summary: dict[str, Any] = {
        "items": len(items),
        "without": missing,
        "unreadable": len(unreadable),
        "exits": exits.tolist(),
    }
    summary["features"] = len(names.columns)
    (folder / SUMMARY_FILE).write_text(json.dumps(summary), encoding="utf-8")
    if len(unreadable) > max_bad_share * (len(items) + len(unreadable)):
        item, reason = unreadable[0]
        raise DataError(
            f"data.items {catalogue}: {len(unreadable)} of {len(items) + len(unreadable)} thumbnails cannot be read, "
            f"such as that of {item!r}: {reason}; mend them (all are in {folder / UNREADABLE_FILE}), or raise "
            "data.max_bad_share"
        )
