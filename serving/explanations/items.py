"""The explanation of a slate's items, from the stages of the bundle that ranked it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from serving.explanations.background import Background, NotExplained
from serving.explanations.contributions import Contributions
from serving.explanations.effects import PlaceOcclusion
from serving.explanations.occlusion import occlude
from serving.runtime.query import Decoding, Slate, SlateQuery
from serving.runtime.ranker import SlateRanker

# Taking each of so many out in turn, and reading the rest again, grows with the square of the list.
MOST_READ = 200
# The graph adds leaves in float32.
SCORE_TOLERANCE = 1e-4


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


def explain(
    ranker: SlateRanker,
    background: Background,
    query: SlateQuery,
    slate: Slate,
    rows: Sequence[int],
    most: int | None = None,
) -> list[ItemExplanation]:
    """Explain candidates of a request.

    Args:
        ranker: the bundle, loaded.
        background: of the same bundle.
        query: the request.
        slate: what the ranker made of it.
        rows: the candidates to explain.
        most: neighbours and features an item that are kept, see `occlude`.
    """
    matrix = query.matrix()
    contributions = _contributions(ranker, background, matrix, slate, rows)
    occlusions = _occlusions(ranker, background, query, slate, rows, most)
    return [
        ItemExplanation(row, added, occluded)
        for row, added, occluded in zip(rows, contributions, occlusions, strict=True)
    ]


def _contributions(
    ranker: SlateRanker, background: Background, matrix: NDArray[np.float32], slate: Slate, rows: Sequence[int]
) -> Sequence[Contributions | NotExplained]:
    if isinstance(background.trees, NotExplained):
        return [background.trees] * len(rows)
    found = background.trees.of(matrix[list(rows)])
    if _is_raw(ranker):
        shown = slate.base_scores[list(rows)].astype(np.float64)
        scores = np.array([contributions.score for contributions in found])
        if (np.abs(scores - shown) > SCORE_TOLERANCE * np.maximum(1.0, np.abs(shown))).any():
            return [NotExplained("the text model scores otherwise than the graph that serves")] * len(rows)
    return found


def _is_raw(ranker: SlateRanker) -> bool:
    """Whether base scores are the trees' raw scores, as the graph gives them; a text model may transform its."""
    stage = ranker.bundle.manifest.stage("base_ranker")
    return stage is not None and stage.file.endswith(".onnx")


def _occlusions(
    ranker: SlateRanker,
    background: Background,
    query: SlateQuery,
    slate: Slate,
    rows: Sequence[int],
    most: int | None,
) -> Sequence[PlaceOcclusion | NotExplained]:
    model, read = ranker.seq2slate, ranker.read_rows(slate)
    why_not = _why_not(slate, model is not None, len(read))
    if model is None or why_not:
        return [NotExplained(why_not)] * len(rows)
    one_step = ranker.one_step(slate.decoding)
    where = {int(row): place for place, row in enumerate(read)}
    placed = slate.order[: len(read) if one_step else min(len(read), model.slate_size)]
    steps = {row: step for step, row in enumerate(placed)}
    explained = [row for row in rows if row in steps]
    found = occlude(
        model,
        query.matrix()[read],
        np.array([where[row] for row in placed]),
        [steps[row] for row in explained],
        context_reference=background.context_reference,
        context_count=len(query.context),
        one_step=one_step,
        temperature=query.temperature if slate.policy == "temperature" else 1.0,
        compare_places=slate.policy == "greedy",
        most=most,
    )
    by_row = {row: _in_query(one, read) for row, one in zip(explained, found, strict=True)}
    filled, absent = NotExplained("base order filled this place"), NotExplained("not in the slate")
    return [by_row.get(row, filled if row in slate.order else absent) for row in rows]


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
