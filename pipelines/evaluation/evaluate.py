"""Evaluate a draft bundle on the held-out requests against the base order and the bundle in service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.click_log import FeatureColumns
from pipelines.config import PipelineConfig
from pipelines.evaluation.blessing import bless
from pipelines.evaluation.calibration import calibration_metrics
from pipelines.evaluation.explanations import example_request, explain_samples
from pipelines.evaluation.exposure import exposure_metrics
from pipelines.evaluation.in_file import interval_of
from pipelines.evaluation.judged_items import write_judged_items
from pipelines.evaluation.labeller import labeller_metrics
from pipelines.evaluation.off_policy import evaluate_gate_policies
from pipelines.evaluation.policies import query_of, seq2slate_scores, served_scores
from pipelines.evaluation.ranking_rows import ranking_rows, values_per_request
from pipelines.evaluation.slate_value import evaluate_slates
from pipelines.evaluation.slice_columns import slice_requests
from pipelines.evaluation.slices import Comparison, slice_metrics
from pipelines.report.image_metrics import ImageMetrics
from pipelines.report.metrics_file import (
    Blessing,
    DataSummary,
    GateMetrics,
    ItemFeatureVariation,
    LabellerMetrics,
    Labels,
    Metrics,
    OffPolicyMetrics,
    PolicyDifference,
    PolicyMetrics,
    PositionClicks,
    RatePromise,
    RunSummary,
    SlateExample,
    SlateItem,
)
from pipelines.report.start_metrics import StageStart
from pipelines.stages import base_ranker, gate, labeller, seq2slate
from pipelines.stages.bundle import TrainedStages
from pipelines.stages.gate import gate_labels
from pipelines.stages.item_features import feature_variation
from pipelines.stages.warm_start import START_FILE
from ranking.base_rankers import train_isolated
from ranking.lists import RankingLists
from ranking.metrics import MetricInterval, bootstrap_ratio_interval, paired_difference_interval
from serving.bundle import Bundle, GateStage
from serving.runtime import SlateRanker
from serving.runtime.gate import Gate

EXAMPLE_SLATE_SIZE = 10


@dataclass(frozen=True)
class EvaluationInput:
    """What an evaluation looks at.

    Attributes:
        train, evaluation: lists in logged order, raw features, with the clicks in force.
        draft: the candidate, laid out but not sealed.
        stages: its trained stages, for their histories.
        baseline: the bundle in service, or None.
        config: the pipeline's configuration.
        run, data, planted_edges: go into the metrics file as they are.
        log_path: the log, for off-policy evaluation on single impressions; None elsewhere.
        images: what became of the thumbnails; None where none are read.
        without_images: folder of the base ranker that reads the log's features alone; None where there is none.
        judged: file to keep the judged items in, where they are ranked; None: nowhere.
    """

    train: RankingLists
    evaluation: RankingLists
    draft: Bundle
    stages: TrainedStages
    baseline: Bundle | None
    config: PipelineConfig
    run: RunSummary
    data: DataSummary
    log_path: Path | None = None
    planted_edges: tuple[tuple[str, str], ...] | None = None
    images: ImageMetrics | None = None
    without_images: Path | None = None
    judged: Path | None = None


def evaluate(given: EvaluationInput) -> Metrics:
    """All metrics of one candidate, the blessing included.

    Every interval is a bootstrap by request; lists without a click (or a grade above 0) are left
    out of the ranking metrics, which are not defined for them.
    """
    settings = given.config.evaluation
    ranker = SlateRanker(given.draft)
    rankings = _rankings(given, ranker)
    labels = _labels(given.evaluation)
    reference = "baseline" if "baseline" in rankings else "base" if "base" in rankings else "logged"
    policies: list[PolicyMetrics] = []
    differences: list[PolicyDifference] = []
    deciding, slices = MetricInterval(np.nan, np.nan, np.nan, 0), None
    for kind, values in labels.items():
        per_request = values_per_request(given.evaluation, rankings, values, settings)
        of_policies, of_pairs = ranking_rows(kind, per_request, reference, settings, given.config.seed)
        policies += of_policies
        differences += of_pairs
        if kind == next(iter(labels)):
            compared = Comparison(kind, reference, per_request["served"], per_request[reference])
            metric = settings.blessing_metric
            deciding = _paired(compared.candidate[metric], compared.reference[metric], given.config)
            columns = slice_requests(given.evaluation, settings.slices)
            slices = slice_metrics(compared, columns, settings, given.config.seed)
            if given.judged is not None:
                write_judged_items(given.judged, given.evaluation, (kind, values), rankings, reference, columns)
    scored = _scored_gate(given)
    gate_scores = None if scored is None else scored.scores
    verdict = bless(deciding, reference, settings, slices)
    return Metrics(
        run=given.run,
        data=given.data,
        policies=tuple(policies),
        differences=tuple(differences),
        slices=slices,
        calibration=calibration_metrics(given.evaluation, rankings, gate_scores, given.config) if labels else (),
        exposure=exposure_metrics(given.evaluation, rankings, reference, given.config) if labels else None,
        gate=_gate_metrics(given, scored),
        labeller=_labeller_metrics(given),
        images=given.images,
        item_features=_item_features(given),
        off_policy=_off_policy(given, scored),
        slate_values=evaluate_slates(ranker, given.evaluation, rankings, given.config),
        training=_histories(given.stages),
        starts=_starts(given.stages),
        position_clicks=_position_clicks(given.train),
        blessing=Blessing(
            blessed=verdict.blessed,
            metric=settings.blessing_metric,
            margin=settings.blessing_margin,
            against=verdict.against,
            confidence=settings.confidence,
            reason=verdict.reason,
            difference=interval_of(verdict.difference),
            blocking_slices=verdict.blocking,
        ),
        slate_example=_example(ranker, given.evaluation),
        explanations=explain_samples(ranker, given.evaluation, given.train),
    )


def _labels(lists: RankingLists) -> dict[Labels, NDArray[np.float32]]:
    """What the lists can be judged by, clicks first; nothing for single impressions, which have no order."""
    if len(lists) == 0 or lists.list_sizes.max() == 1:
        return {}
    labels: dict[Labels, NDArray[np.float32]] = {}
    if lists.clicks is not None:
        labels["clicks"] = lists.clicks
    if lists.grades is not None:
        labels["grades"] = lists.grades
    return labels


def _rankings(given: EvaluationInput, ranker: SlateRanker) -> dict[str, NDArray[np.floating]]:
    """Scores `[items]` by policy, in the order of the report."""
    lists, config = given.evaluation, given.config
    rankings: dict[str, NDArray[np.floating]] = {}
    if lists.positions is not None and config.clicks.source == "log":
        rankings["logged"] = -lists.positions.astype(np.float64)
    if given.stages.base_ranker is not None:
        base = base_ranker.read_scores(given.stages.base_ranker, "eval")
        rankings["base"] = base
        if given.without_images is not None:
            rankings["base_without_images"] = base_ranker.read_scores(given.without_images, "eval")
        if config.clicks.source == "simulate" and config.base_ranker is not None:
            rankings["lambdamart_clicks"] = _lambdamart_on_clicks(given)
        rankings |= seq2slate_scores(given.draft, lists, base)
    rankings["served"] = served_scores(ranker, lists, config.serving.slate_size)
    if given.baseline is not None and _columns(given.baseline) == _columns(given.draft):
        rankings["baseline"] = served_scores(SlateRanker(given.baseline), lists, config.serving.slate_size)
    return rankings


def _columns(bundle: Bundle) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a bundle reads; the defaults of its features make no difference to requests that carry them."""
    return bundle.manifest.features.context, bundle.manifest.features.item


def _lambdamart_on_clicks(given: EvaluationInput) -> NDArray[np.floating]:
    """The rival of the paper's tables: the base learner, trained on the clicks that seq2slate sees."""
    assert given.config.base_ranker is not None
    settings = given.config.base_ranker.model_copy(update={"label": "clicked"})
    return train_isolated(given.train, given.evaluation, settings, given.config.seed).evaluation_scores


@dataclass(frozen=True)
class _ScoredGate:
    """The candidate's gate, and its scores of the evaluation's items, float32 `[items]`."""

    stage: GateStage
    model: Gate
    scores: NDArray[np.float32]


def _scored_gate(given: EvaluationInput) -> _ScoredGate | None:
    stage = given.draft.manifest.stage("gate")
    if not isinstance(stage, GateStage):
        return None
    model = Gate(given.draft.folder / stage.file, stage.threshold)
    return _ScoredGate(stage, model, model.score(given.evaluation.features))


def _gate_metrics(given: EvaluationInput, scored: _ScoredGate | None) -> GateMetrics | None:
    if scored is None or given.config.gate is None:
        return None
    lists, stage = given.evaluation, scored.stage
    passed = scored.model.passes(scored.scores)
    positive = gate_labels(lists, given.config.gate) > 0
    requests = lists.list_index
    # Requests without a positive item say nothing about recall.
    positives = np.bincount(requests, weights=positive, minlength=len(lists))
    counted = positives > 0
    realised = bootstrap_ratio_interval(
        np.bincount(requests, weights=passed & positive, minlength=len(lists))[counted],
        positives[counted],
        given.config.evaluation.confidence,
        given.config.evaluation.bootstrap_samples,
        given.config.seed,
    )
    return GateMetrics(
        target=stage.target.value,
        threshold=stage.threshold,
        promised=RatePromise(low=stage.target.low, high=stage.target.high),
        realised=interval_of(realised),
        pass_share=float(passed.mean()),
    )


def _labeller_metrics(given: EvaluationInput) -> LabellerMetrics | None:
    if given.stages.labeller is None:
        return None
    return labeller_metrics(given.stages.labeller, given.planted_edges, given.config.evaluation, given.config.seed)


def _item_features(given: EvaluationInput) -> ItemFeatureVariation | None:
    if not given.config.serving.item_features:
        return None
    features = given.draft.manifest.features
    return feature_variation(given.train, FeatureColumns(features.context, features.item))


def _off_policy(given: EvaluationInput, scored: _ScoredGate | None) -> tuple[OffPolicyMetrics, ...]:
    if given.log_path is None or scored is None:
        return ()
    return evaluate_gate_policies(
        scored.model, given.evaluation, given.log_path, given.config.evaluation, given.config.seed
    )


def _histories(stages: TrainedStages) -> dict[str, tuple[dict[str, float], ...]]:
    files = {
        "base_ranker": stages.base_ranker and stages.base_ranker / base_ranker.CURVE_FILE,
        "gate": stages.gate and stages.gate / gate.HISTORY_FILE,
        "seq2slate": stages.seq2slate and stages.seq2slate / seq2slate.HISTORY_FILE,
        "labeller": stages.labeller and stages.labeller / labeller.HISTORY_FILE,
    }
    return {name: tuple(json.loads(Path(path).read_text())) for name, path in files.items() if path is not None}


def _starts(stages: TrainedStages) -> dict[str, StageStart]:
    files = {
        name: folder / START_FILE
        for name, folder in (("gate", stages.gate), ("seq2slate", stages.seq2slate))
        if folder is not None
    }
    return {name: StageStart.model_validate_json(file.read_text()) for name, file in files.items() if file.exists()}


def _position_clicks(lists: RankingLists) -> tuple[PositionClicks, ...]:
    if lists.positions is None or lists.clicks is None:
        return ()
    impressions = np.bincount(lists.positions)
    clicks = np.bincount(lists.positions, weights=lists.clicks)
    return tuple(
        PositionClicks(position=int(position), impressions=int(impressions[position]), clicks=int(clicks[position]))
        for position in np.flatnonzero(impressions)
    )


def _example(ranker: SlateRanker, lists: RankingLists) -> SlateExample:
    index = example_request(lists)
    query = query_of(ranker, lists, index, EXAMPLE_SLATE_SIZE)
    slate = ranker.rank(query)
    base_rank = slate.base_ranks + 1
    start = lists.offsets[index]
    return SlateExample(
        request_id=query.request_id,
        items=tuple(
            SlateItem(
                rank=rank,
                item_id=query.item_ids[row],
                base_rank=int(base_rank[row]),
                base_score=float(slate.base_scores[row]),
                gate_score=None if slate.gate_scores is None else float(slate.gate_scores[row]),
                probability=None if np.isnan(probability) else float(probability),
                clicked=None if lists.clicks is None else bool(lists.clicks[start + row]),
            )
            for rank, (row, probability) in enumerate(zip(slate.order, slate.probabilities, strict=True), start=1)
        ),
    )


def _paired(candidate: NDArray[np.float64], reference: NDArray[np.float64], config: PipelineConfig) -> MetricInterval:
    settings = config.evaluation
    return paired_difference_interval(
        candidate, reference, settings.confidence, settings.bootstrap_samples, config.seed
    )


def flat_metrics(metrics: Metrics) -> dict[str, float]:
    """The served policy's metrics by name, as a bundle's manifest keeps them."""
    flat = {}
    for policy in metrics.policies:
        if policy.policy == "served":
            for name, interval in policy.metrics.items():
                if interval.value is not None:
                    flat[f"{policy.labels}_{name}"] = interval.value
    if metrics.gate is not None and metrics.gate.realised.value is not None:
        flat["gate_recall"] = metrics.gate.realised.value
    if metrics.item_features is not None:
        flat["items_with_varying_features"] = metrics.item_features.share
    if metrics.labeller is not None:
        for score in metrics.labeller.scores:
            if score.labeller.value is not None:
                flat[f"labels_{score.metric}"] = score.labeller.value
    return flat
