"""Put the trained stages together into one bundle that the service can load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.click_log import FeatureColumns
from pipelines.config import PipelineConfig
from pipelines.evaluation.policies import query_of
from pipelines.stages import base_ranker, gate, labeller, seq2slate
from pipelines.stages.kept_weights import WEIGHTS_FILE
from ranking.lists import RankingLists
from serving.bundle import (
    BaseRankerStage,
    Bundle,
    Features,
    GateStage,
    GoldenRequests,
    LabellerStage,
    Manifest,
    RateTarget,
    Seq2SlateStage,
    TrainingDataSummary,
    open_bundle,
    write_bundle,
)
from serving.bundle.manifest import Stage
from serving.bundle.writer import copy_files
from serving.runtime import Decoding, Slate, SlateRanker

# Scores of so many requests place a decile to within a hundredth of the distribution.
DRIFT_REQUESTS = 1000


@dataclass(frozen=True)
class TrainedStages:
    """Folders of the trained stages; None for a stage that the configuration leaves out."""

    base_ranker: Path | None
    gate: Path | None
    seq2slate: Path | None
    labeller: Path | None


@dataclass(frozen=True)
class Provenance:
    """Where a bundle comes from.

    Attributes:
        data: the prepared log.
        config_fingerprint: of the resolved configuration.
        created: time of making, UTC; with the fingerprints it names the version.
    """

    data: TrainingDataSummary
    config_fingerprint: str
    created: datetime

    @property
    def version(self) -> str:
        """Sorts by time and ends with what it was made from."""
        return f"{self.created:%Y%m%dT%H%M%SZ}-{self.config_fingerprint[:4]}{self.data.fingerprint[:4]}"


def draft_bundle(
    folder: Path, stages: TrainedStages, columns: FeatureColumns, config: PipelineConfig, provenance: Provenance
) -> Bundle:
    """The stages laid out in `folder` as in a bundle, but not sealed: no checksums, no golden requests.

    Evaluation ranks with it; `build_bundle` seals what passed.
    """
    copy_files(_files(stages), folder)
    manifest = Manifest(
        version=provenance.version,
        name=config.name,
        created=provenance.created.isoformat(),
        features=Features(context=columns.context, item=columns.candidate),
        stages=_stages(stages, config),
        training_data=provenance.data,
        config_fingerprint=provenance.config_fingerprint,
        seed=config.seed,
    )
    return Bundle(folder, manifest)


def build_bundle(
    root: Path, draft: Bundle, lists: RankingLists, config: PipelineConfig, metrics: dict[str, float]
) -> Bundle:
    """Seal a draft: checksums, metrics, and golden requests with the answers the draft gives.

    Args:
        root: folder of bundles to write into.
        draft: from `draft_bundle`.
        lists: requests with raw features, the first of which become the golden requests.
        config: says how many and how long the slates are.
        metrics: what the evaluation found, for the manifest.
    """
    ranker = SlateRanker(draft)
    chosen = lists.select(np.arange(min(config.serving.golden_requests, len(lists))))
    golden = _golden_requests(ranker, chosen, config.serving.slate_size)
    deciles = _score_deciles(ranker, lists) if draft.manifest.stage("base_ranker") is not None else None
    manifest = draft.manifest.model_copy(update={"metrics": metrics, "score_deciles": deciles})
    files = {path.name: path for path in sorted(draft.folder.iterdir())}
    return open_bundle(write_bundle(root, manifest, files, golden))


def _score_deciles(ranker: SlateRanker, lists: RankingLists) -> tuple[float, ...]:
    """What the service holds its base scores against, to notice that requests have changed."""
    chosen = lists.select(np.arange(min(DRIFT_REQUESTS, len(lists))))
    queries = [query_of(ranker, chosen, index, 1) for index in range(len(chosen))]
    scores = np.concatenate([ranker.rank(query, Decoding.BASE).base_scores for query in queries])
    return tuple(np.quantile(scores, np.arange(1, 10) / 10).astype(float).tolist())


def _golden_requests(ranker: SlateRanker, lists: RankingLists, slate_size: int) -> GoldenRequests:
    queries = [query_of(ranker, lists, index, slate_size) for index in range(len(lists))]
    answers = [ranker.rank(query) for query in queries]
    slates = np.full((len(queries), slate_size), -1, np.int64)
    for row, answer in enumerate(answers):
        slates[row, : len(answer.order)] = answer.order
    return GoldenRequests(
        offsets=lists.offsets,
        item_ids=lists.item_ids.astype(str),
        context=np.stack([query.context for query in queries]),
        features=np.concatenate([query.features for query in queries]),
        slate_sizes=np.array([query.slate_size for query in queries]),
        slates=slates,
        base_scores=np.concatenate([answer.base_scores for answer in answers]),
        labels=_golden_labels(answers, slate_size),
    )


def _golden_labels(answers: Sequence[Slate], slate_size: int) -> NDArray[np.int64] | None:
    """The labels of every slate, padded with -1 behind its end; None without a labeller."""
    given = [answer.labels for answer in answers if answer.labels is not None]
    if not given:
        return None
    labels = np.full((len(given), slate_size, given[0].shape[1]), -1, np.int64)
    for row, states in enumerate(given):
        labels[row, : len(states)] = states
    return labels


def _stages(stages: TrainedStages, config: PipelineConfig) -> tuple[Stage, ...]:
    chosen: list[Stage] = []
    if stages.base_ranker is not None:
        trees = (stages.base_ranker / base_ranker.MODEL_FILE).read_text().count("\nTree=")
        chosen.append(BaseRankerStage(file="base_ranker/model.onnx", trees=trees))
    if stages.gate is not None:
        promise = json.loads((stages.gate / gate.PROMISE_FILE).read_text())
        target = RateTarget(value=promise["target"], low=promise["low"], high=promise["high"])
        chosen.append(GateStage(file="gate/model.onnx", threshold=promise["threshold"], target=target))
    if stages.seq2slate is not None and config.seq2slate is not None:
        chosen.append(
            Seq2SlateStage(
                file="seq2slate/model.onnx",
                first_step="seq2slate/first_step.onnx",
                slate_size=config.serving.slate_size,
                max_list_size=config.seq2slate.max_list_size,
                decoding=config.seq2slate.decoding,
            )
        )
    if stages.labeller is not None:
        learned = labeller.read_learned(stages.labeller)
        chosen.append(LabellerStage(file="labeller/model.npz", labels=len(learned.labels), edges=len(learned.edges)))
    return tuple(chosen)


def _files(stages: TrainedStages) -> dict[str, Path]:
    files = {}
    if stages.base_ranker is not None:
        files["base_ranker/model.txt"] = stages.base_ranker / base_ranker.MODEL_FILE
        files["base_ranker/model.onnx"] = stages.base_ranker / base_ranker.GRAPH_FILE
    if stages.gate is not None:
        files["gate/model.onnx"] = stages.gate / gate.MODEL_FILE
        files["gate/weights.npz"] = stages.gate / WEIGHTS_FILE
        files["saved_model/gate"] = stages.gate / gate.SAVED_MODEL
    if stages.seq2slate is not None:
        files["seq2slate/model.onnx"] = stages.seq2slate / seq2slate.MODEL_FILE
        files["seq2slate/weights.npz"] = stages.seq2slate / WEIGHTS_FILE
        files["seq2slate/first_step.onnx"] = stages.seq2slate / seq2slate.FIRST_STEP_FILE
        files["saved_model/seq2slate"] = stages.seq2slate / seq2slate.SAVED_MODEL
    if stages.labeller is not None:
        files["labeller/model.npz"] = stages.labeller / labeller.MODEL_FILE
    return files
