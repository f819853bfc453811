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
from pipelines.evaluation.labeller import labeller_metrics
from pipelines.evaluation.off_policy import evaluate_gate_policies
from pipelines.evaluation.policies import TITLES, query_of, seq2slate_scores, served_scores
from pipelines.evaluation.slate_value import evaluate_slates
from pipelines.evaluation.slice_columns import slice_requests
from pipelines.evaluation.slices import Comparison, slice_metrics
from pipelines.report.image_metrics import ImageMetrics
from pipelines.report.metrics_file import (
    Blessing,
    DataSummary,
    GateMetrics,
    Interval,
    ItemFeatureVariation,
    LabellerMetrics,
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
from pipelines.stages import base_ranker, gate, labeller, seq2slate
from pipelines.stages.bundle import TrainedStages
from pipelines.stages.gate import gate_labels
from pipelines.stages.item_features import feature_variation
from ranking.base_rankers import train_isolated
from ranking.lists import RankingLists
from ranking.metrics import (
    MetricInterval,
    bootstrap_interval,
    bootstrap_ratio_interval,
    evaluate_lists,
    paired_difference_interval,
)
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
        per_request = _per_request(given, rankings, values)
        policies += _policy_rows(given, kind, per_request)
        differences += _difference_rows(given, kind, per_request, reference)
        if kind == next(iter(labels)):
            compared = Comparison(kind, reference, per_request["served"], per_request[reference])
            metric = settings.blessing_metric
            deciding = _paired(compared.candidate[metric], compared.reference[metric], given.config)
            columns = slice_requests(given.evaluation, settings.slices)
            slices = slice_metrics(compared, columns, settings, given.config.seed)
    verdict = bless(deciding, reference, settings, slices)
    return Metrics(
        run=given.run,
        data=given.data,
        policies=tuple(policies),
        differences=tuple(differences),
        slices=slices,
        gate=_gate_metrics(given),
        labeller=_labeller_metrics(given),
        images=given.images,
        item_features=_item_features(given),
        off_policy=_off_policy(given),
        slate_values=evaluate_slates(ranker, given.evaluation, rankings, given.config),
        training=_histories(given.stages),
        position_clicks=_position_clicks(given.train),
        blessing=Blessing(
            blessed=verdict.blessed,
            metric=settings.blessing_metric,
            margin=settings.blessing_margin,
            against=verdict.against,
            confidence=settings.confidence,
            reason=verdict.reason,
            difference=_interval(verdict.difference),
            blocking_slices=verdict.blocking,
        ),
        slate_example=_example(ranker, given.evaluation),
    )


def _labels(lists: RankingLists) -> dict[str, NDArray[np.float32]]:
    """What the lists can be judged by, clicks first; nothing for single impressions, which have no order."""
    if len(lists) == 0 or lists.list_sizes.max() == 1:
        return {}
    labels = {}
    if lists.clicks is not None:
        labels["clicks"] = lists.clicks
    if lists.grades is not None:
        labels["grades"] = lists.grades
    return labels


def _per_request(
    given: EvaluationInput, rankings: dict[str, NDArray[np.floating]], labels: NDArray[np.float32]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Every metric of every policy, a value a request; rank gain counts from the base order."""
    lists, cutoffs = given.evaluation, given.config.evaluation.cutoffs
    base = rankings.get("base", np.zeros(len(lists.item_ids)))
    order = lists.descending_order(base)
    base_ordered = lists.reordered(base)
    return {
        name: evaluate_lists(base_ordered, scores[order], labels[order], cutoffs) for name, scores in rankings.items()
    }


def _policy_rows(
    given: EvaluationInput, kind: str, per_request: dict[str, dict[str, NDArray[np.float64]]]
) -> list[PolicyMetrics]:
    settings, seed = given.config.evaluation, given.config.seed
    rows = []
    for name, metrics in per_request.items():
        intervals = {
            metric: _interval(bootstrap_interval(values, settings.confidence, settings.bootstrap_samples, seed))
            for metric, values in metrics.items()
        }
        rows.append(PolicyMetrics(policy=name, title=TITLES[name], labels=kind, metrics=intervals))
    return rows


def _difference_rows(
    given: EvaluationInput, kind: str, per_request: dict[str, dict[str, NDArray[np.float64]]], reference: str
) -> list[PolicyDifference]:
    """Every policy minus the reference and the base order, what the gate costs, and what image features add."""
    pairs = [(name, against) for against in sorted({reference, "base"} & set(per_request)) for name in per_request]
    if "seq2slate" in per_request:
        pairs.append(("served", "seq2slate"))
    if "base_without_images" in per_request:
        pairs.append(("base", "base_without_images"))
    rows = []
    for name, against in pairs:
        if name == against:
            continue
        paired = {
            metric: _interval(_paired(values, per_request[against][metric], given.config))
            for metric, values in per_request[name].items()
        }
        rows.append(PolicyDifference(policy=name, against=against, labels=kind, metrics=paired))
    return rows


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


def _gate_metrics(given: EvaluationInput) -> GateMetrics | None:
    stage = given.draft.manifest.stage("gate")
    if not isinstance(stage, GateStage) or given.config.gate is None:
        return None
    lists = given.evaluation
    model = Gate(given.draft.folder / stage.file, stage.threshold)
    passed = model.passes(model.score(lists.features))
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
        realised=_interval(realised),
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


def _off_policy(given: EvaluationInput) -> tuple[OffPolicyMetrics, ...]:
    stage = given.draft.manifest.stage("gate")
    if given.log_path is None or not isinstance(stage, GateStage):
        return ()
    gate_model = Gate(given.draft.folder / stage.file, stage.threshold)
    return evaluate_gate_policies(
        gate_model, given.evaluation, given.log_path, given.config.evaluation, given.config.seed
    )


def _histories(stages: TrainedStages) -> dict[str, tuple[dict[str, float], ...]]:
    files = {
        "base_ranker": stages.base_ranker and stages.base_ranker / base_ranker.CURVE_FILE,
        "gate": stages.gate and stages.gate / gate.HISTORY_FILE,
        "seq2slate": stages.seq2slate and stages.seq2slate / seq2slate.HISTORY_FILE,
        "labeller": stages.labeller and stages.labeller / labeller.HISTORY_FILE,
    }
    return {name: tuple(json.loads(Path(path).read_text())) for name, path in files.items() if path is not None}


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
    clicked = lists.clicks if lists.clicks is not None else np.zeros(len(lists.item_ids))
    with_click = np.bincount(lists.list_index, weights=clicked, minlength=len(lists))
    index = int(np.argmax(with_click > 0))
    query = query_of(ranker, lists, index, EXAMPLE_SLATE_SIZE)
    slate = ranker.rank(query)
    base_rank = np.empty(len(query.item_ids), np.int64)
    base_rank[np.argsort(-slate.base_scores, kind="stable")] = np.arange(1, len(base_rank) + 1)
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


def _interval(interval: MetricInterval) -> Interval:
    """JSON knows no nan: an undefined value is null."""
    values = (interval.value, interval.low, interval.high)
    value, low, high = (None if np.isnan(number) else float(number) for number in values)
    return Interval(value=value, low=low, high=high, count=interval.count)


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
