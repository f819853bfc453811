"""The explanation of a slate's items, from the stages of the bundle that ranked it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.bundle.writer import file_entry
from serving.explanations.contributions import Contributions, TreeContributions
from serving.explanations.effects import PlaceOcclusion
from serving.explanations.occlusion import occlude
from serving.runtime.query import Decoding, Slate, SlateQuery
from serving.runtime.ranker import SlateRanker

# Taking each of so many out in turn, and reading the rest again, grows with the square of the list.
MOST_READ = 200
# The graph adds leaves in float32.
SCORE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class NotExplained:
    """Why a part of an explanation is not there, in words for whoever reads it."""

    reason: str


@dataclass(frozen=True)
class ItemExplanation:
    """One item of a request, explained.

    Attributes:
        row: the item, in the query.
        contributions: what its features add to its base score.
        occlusion: what its place hangs on; its rows are the query's.
    """

    row: int
    contributions: Contributions | NotExplained
    occlusion: PlaceOcclusion | NotExplained


class Explainer:
    """Explains what one bundle ranks; safe to share between threads.

    Args:
        ranker: the bundle, loaded.
        context_reference: float32 `[context]`, usual values of the context's features, which are the same for all
            candidates of a request and can be occluded by another value only; None: they are not occluded.
        most: neighbours and features an item that are kept, see `occlude`.
    """

    def __init__(
        self, ranker: SlateRanker, context_reference: NDArray[np.float32] | None = None, most: int | None = None
    ) -> None:
        self._ranker, self._context_reference, self._most = ranker, context_reference, most
        self._trees = _trees(ranker)

    def explain(self, query: SlateQuery, slate: Slate, rows: Sequence[int]) -> list[ItemExplanation]:
        """Explain the candidates `rows` of `query`, of which the ranker made `slate`."""
        matrix = query.matrix()
        contributions = self._contributions(matrix, slate, rows)
        occlusions = self._occlusions(matrix, query, slate, rows)
        return [
            ItemExplanation(row, added, occluded)
            for row, added, occluded in zip(rows, contributions, occlusions, strict=True)
        ]

    def _contributions(
        self, matrix: NDArray[np.float32], slate: Slate, rows: Sequence[int]
    ) -> Sequence[Contributions | NotExplained]:
        if isinstance(self._trees, NotExplained):
            return [self._trees] * len(rows)
        found = self._trees.of(matrix[list(rows)])
        if self._is_raw:
            for row, contributions in zip(rows, found, strict=True):
                shown = float(slate.base_scores[row])
                if abs(contributions.score - shown) > SCORE_TOLERANCE * max(1.0, abs(shown)):
                    other = NotExplained("the text model scores otherwise than the graph that serves")
                    return [other] * len(rows)
        return found

    @property
    def _is_raw(self) -> bool:
        """Whether base scores are the trees' raw scores, as the graph gives them; a text model may transform its."""
        stage = self._ranker.bundle.manifest.stage("base_ranker")
        return stage is not None and stage.file.endswith(".onnx")

    def _occlusions(
        self, matrix: NDArray[np.float32], query: SlateQuery, slate: Slate, rows: Sequence[int]
    ) -> Sequence[PlaceOcclusion | NotExplained]:
        model = self._ranker.seq2slate
        read = self._ranker.read_rows(slate)
        why_not = _why_not(slate, model is not None, len(read))
        if model is None or why_not:
            return [NotExplained(why_not)] * len(rows)
        one_step = self._ranker.one_step(slate.decoding)
        where = {int(row): place for place, row in enumerate(read)}
        most = len(read) if one_step else model.slate_size
        path = np.array([where[row] for row in slate.order[:most] if row in where], np.int64)
        steps = {row: step for step, row in enumerate(slate.order[:most]) if row in where}
        explained = [row for row in rows if row in steps]
        found = occlude(
            model,
            matrix[read],
            path,
            [steps[row] for row in explained],
            context_reference=self._context_reference,
            context_count=len(query.context),
            one_step=one_step,
            temperature=query.temperature if slate.policy == "temperature" else 1.0,
            compare_places=slate.policy == "greedy",
            most=self._most,
        )
        by_row = {row: _in_query(one, read) for row, one in zip(explained, found, strict=True)}
        placed = set(slate.order)
        absent = {True: NotExplained("base order filled this place"), False: NotExplained("not in the slate")}
        return [by_row.get(row, absent[row in placed]) for row in rows]


def _trees(ranker: SlateRanker) -> TreeContributions | NotExplained:
    manifest = ranker.bundle.manifest
    stage = manifest.stage("base_ranker")
    if stage is None:
        return NotExplained("the bundle has no base ranker")
    name = str(PurePosixPath(stage.file).with_suffix(".txt"))
    path, sealed = ranker.bundle.folder / name, manifest.files.get(name)
    if not path.is_file():
        return NotExplained("the bundle has no text model beside the base ranker's graph")
    # LightGBM may end the process over a file that is not whole.
    if sealed is not None and file_entry(path) != sealed:
        return NotExplained(f"{name} was changed since the bundle was made")
    try:
        return TreeContributions(path, len(manifest.features.names))
    except BundleError as error:
        return NotExplained(str(error))


def _why_not(slate: Slate, reranked: bool, read: int) -> str:
    """Why no place of the slate can be occluded; empty where they can."""
    if not reranked:
        return "the bundle has no re-ranker"
    if slate.decoding is Decoding.BASE:
        return "the re-ranker was left out, for time was short"
    if slate.policy == "epsilon":
        return "the slate may be a uniform draw, which hangs on nothing"
    if read == 0:
        return "no candidate passed the gate"
    if read > MOST_READ:
        return f"the re-ranker read {read} candidates, of at most {MOST_READ} that are taken out one by one"
    return ""


def _in_query(occlusion: PlaceOcclusion, read: NDArray[np.int64]) -> PlaceOcclusion:
    """With the rows of the query in place of the list's."""
    neighbours = tuple(replace(one, row=int(read[one.row])) for one in occlusion.neighbours)
    return replace(occlusion, row=int(read[occlusion.row]), neighbours=neighbours)
