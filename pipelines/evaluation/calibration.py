"""What the stages' scores say of the outcomes they were trained for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.config import PipelineConfig
from pipelines.evaluation.in_file import interval_of
from pipelines.report.calibration_metrics import ProbabilityErrors, ScoreBin, StageCalibration
from pipelines.stages.gate import gate_labels
from ranking.lists import RankingLists
from ranking.metrics import CalibrationBin, Predictions, calibration, rates_by_score

Stage = Literal["base_ranker", "gate", "seq2slate"]
# Scores of items behind those that the re-ranker reads stand far below all logits.
UNREAD = -1e8


def calibration_metrics(
    lists: RankingLists,
    rankings: Mapping[str, NDArray[np.floating]],
    gate_scores: NDArray[np.floating] | None,
    config: PipelineConfig,
) -> tuple[StageCalibration, ...]:
    """Scores against outcomes, stage by stage; empty where no item has an outcome.

    The base ranker's and the gate's scores are no probabilities: their bins tell whether more of the items with a
    higher score are positive. The re-ranker's first choice is one: trained with cross-entropy it is to be the item's
    share of the request's clicks (seq2slate, section 3.2), so it is compared with that, on requests with a click.

    Args:
        lists: held-out requests, raw features.
        rankings: scores by policy, float `[items]`.
        gate_scores: of the candidate's gate, float `[items]`; None without one.
        config: the pipeline's configuration.
    """
    found = []
    if "base" in rankings and config.base_ranker is not None:
        outcome, words = _base_outcome(lists, config.base_ranker.label)
        if outcome is not None:
            found.append(_by_score("base_ranker", words, rankings["base"], outcome, lists, config))
    if gate_scores is not None and config.gate is not None:
        words = "clicked" if config.gate.label == "clicked" else f"grade of {config.gate.relevant_grade:g} or more"
        found.append(_by_score("gate", words, gate_scores, gate_labels(lists, config.gate), lists, config))
    logits = rankings.get("seq2slate_one_step")
    learned = config.seq2slate is not None and config.seq2slate.loss == "cross_entropy"
    if logits is not None and learned and lists.clicks is not None and lists.clicks.any():
        found.append(_first_choice(logits, lists, lists.clicks, config))
    return tuple(found)


def _base_outcome(lists: RankingLists, label: str) -> tuple[NDArray[np.bool_] | None, str]:
    labels, words = (lists.clicks, "clicked") if label == "clicked" else (lists.grades, "grade above 0")
    return (None if labels is None else labels > 0), words


def _by_score(
    stage: Stage,
    words: str,
    scores: NDArray[np.floating],
    outcome: NDArray[np.generic],
    lists: RankingLists,
    config: PipelineConfig,
) -> StageCalibration:
    given = Predictions(scores, np.asarray(outcome, np.float64), lists.list_index, len(lists))
    settings = config.evaluation
    bins = rates_by_score(given, 10, settings.confidence, settings.bootstrap_samples, config.seed)
    return StageCalibration(stage=stage, outcome=words, bins=_in_file(bins))


def _first_choice(
    logits: NDArray[np.floating], lists: RankingLists, clicks: NDArray[np.float32], config: PipelineConfig
) -> StageCalibration:
    clicked = np.bincount(lists.list_index, clicks, len(lists))[lists.list_index]
    counts = (clicked > 0) & (logits > UNREAD)
    tops = np.full(len(lists), -np.inf)
    np.maximum.at(tops, lists.list_index, logits)
    weights = np.where(counts, np.exp(np.minimum(logits - tops[lists.list_index], 0.0)), 0.0)
    totals = np.bincount(lists.list_index, weights, len(lists))[lists.list_index]
    given = Predictions(
        predicted=weights[counts] / totals[counts],
        outcome=clicks[counts] / clicked[counts],
        request=lists.list_index[counts],
        requests=len(lists),
    )
    settings = config.evaluation
    measured = calibration(given, 10, settings.confidence, settings.bootstrap_samples, config.seed)
    return StageCalibration(
        stage="seq2slate",
        outcome="share of the request's clicks",
        bins=_in_file(measured.bins),
        errors=ProbabilityErrors(
            expected_calibration_error=measured.error,
            by_chance=measured.error_by_chance,
            brier_score=interval_of(measured.brier),
            log_loss=interval_of(measured.log_loss),
        ),
    )


def _in_file(bins: tuple[CalibrationBin, ...]) -> tuple[ScoreBin, ...]:
    return tuple(ScoreBin(score=b.predicted, outcome=interval_of(b.observed), items=b.items) for b in bins)
