"""Every policy's ranking metrics and paired differences, with intervals by request."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipelines.config import EvaluationConfig
from pipelines.evaluation.in_file import interval_of
from pipelines.evaluation.policies import TITLES
from pipelines.report.metrics_file import Labels, PolicyDifference, PolicyMetrics
from ranking.lists import RankingLists
from ranking.metrics import IntervalStreams, evaluate_lists

PerRequest = Mapping[str, Mapping[str, NDArray[np.float64]]]


def values_per_request(
    lists: RankingLists,
    rankings: Mapping[str, NDArray[np.floating]],
    labels: NDArray[np.float32],
    settings: EvaluationConfig,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Every metric of every policy, float64 `[requests]`; rank gain counts from the base order.

    Args:
        lists: the requests, items in logged order.
        rankings: by policy the scores of the items, float `[items]`, the higher the earlier.
        labels: float32 `[items]`.
        settings: cutoffs and the features that diversity is measured in.
    """
    base = rankings.get("base", np.zeros(len(lists.item_ids)))
    order = lists.descending_order(base)
    base_ordered = lists.reordered(base)
    return {
        name: evaluate_lists(
            base_ordered, scores[order], labels[order], settings.cutoffs, diversity_columns=settings.diversity
        )
        for name, scores in rankings.items()
    }


def ranking_rows(
    kind: Labels, per_request: PerRequest, reference: str, settings: EvaluationConfig, seed: int
) -> tuple[list[PolicyMetrics], list[PolicyDifference]]:
    """The metrics of every policy, and the differences worth telling.

    Those are every policy minus the reference and minus the base order, what the gate costs, and what image features
    add. All intervals come from the same resamples, drawn once.

    Args:
        kind: of the labels behind the values.
        per_request: `values_per_request`.
        reference: the policy that the candidate is judged against.
        settings: confidence and resamples.
        seed: of the resamples.
    """
    pairs = [(name, against) for against in sorted({reference, "base"} & set(per_request)) for name in per_request]
    if "seq2slate" in per_request:
        pairs.append(("served", "seq2slate"))
    if "base_without_images" in per_request:
        pairs.append(("base", "base_without_images"))
    pairs = [(name, against) for name, against in pairs if name != against]
    streams: IntervalStreams[tuple[str, str | None, str]] = IntervalStreams(
        settings.confidence, settings.bootstrap_samples, seed
    )
    for name, metrics in per_request.items():
        streams.add({(name, None, metric): values for metric, values in metrics.items()})
    for name, against in pairs:
        compared = per_request[against]
        streams.add({(name, against, m): values - compared[m] for m, values in per_request[name].items()})
    found = {key: interval_of(interval) for key, interval in streams.intervals().items()}
    policies = [
        PolicyMetrics(policy=name, title=TITLES[name], labels=kind, metrics={m: found[name, None, m] for m in metrics})
        for name, metrics in per_request.items()
    ]
    differences = [
        PolicyDifference(
            policy=name, against=against, labels=kind, metrics={m: found[name, against, m] for m in per_request[name]}
        )
        for name, against in pairs
    ]
    return policies, differences
