"""Off-policy evaluation on single impressions: what would the gate earn if it chose the item?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import EvaluationConfig
from pipelines.readers.open_bandit import read_campaign
from pipelines.report.off_policy_metrics import OffPolicyMetrics
from ranking.lists import RankingLists
from ranking.off_policy import (
    LoggedImpressions,
    OffPolicyEstimate,
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
)
from serving.runtime.gate import Gate

REQUESTS_AT_ONCE = 2048


def evaluate_gate_policies(
    gate: Gate, lists: RankingLists, log_path: Path, settings: EvaluationConfig, seed: int
) -> tuple[OffPolicyMetrics, ...]:
    """Estimate two policies by IPS and SNIPS: a uniform draw from what passes the gate, and its best item.

    Args:
        gate: the trained gate in the serving runtime.
        lists: held-out impressions, one item a request, with clicks and propensities.
        log_path: the log, which gives the features of the items that were not shown.
        settings: confidence and bootstrap samples.
        seed: of the bootstrap.
    """
    logged = LoggedImpressions.from_lists(lists)
    rows = []
    for policy, probabilities in _target_probabilities(gate, lists, log_path).items():
        for estimator in (inverse_propensity_score, self_normalised_inverse_propensity_score):
            estimate = estimator(
                logged,
                probabilities,
                confidence=settings.confidence,
                samples=settings.bootstrap_samples,
                seed=seed,
            )
            rows.append(off_policy_row(policy, estimate))
    return tuple(rows)


def _target_probabilities(gate: Gate, lists: RankingLists, log_path: Path) -> dict[str, NDArray[np.float64]]:
    """Each policy's probability of the item that was shown, float64 `[impressions]`."""
    uniform = np.empty(len(lists))
    best = np.empty(len(lists))
    campaign = read_campaign(log_path)
    actions = campaign.items.index.to_numpy()
    for start in range(0, len(lists), REQUESTS_AT_ONCE):
        chunk = slice(start, start + REQUESTS_AT_ONCE)
        features = campaign.action_features(lists.request_ids[chunk].tolist(), lists.feature_names)
        requests = len(features)
        scores = gate.score(features.reshape(-1, features.shape[2])).reshape(requests, len(actions))
        passed = gate.passes(scores)
        # Where nothing passes there is nothing to prefer: all items are drawn alike.
        passed[~passed.any(axis=1)] = True
        shown = np.searchsorted(actions, lists.item_ids[chunk].astype(actions.dtype))
        row = np.arange(requests)
        uniform[chunk] = passed[row, shown] / passed.sum(axis=1)
        best[chunk] = scores.argmax(axis=1) == shown
    return {"uniform_over_passing": uniform, "best_gate_score": best}


def off_policy_row(policy: str, estimate: OffPolicyEstimate, unit: str = "impressions") -> OffPolicyMetrics:
    """An estimate of a policy's value as the metrics file keeps it, `unit` being what the log's rows are."""
    diagnostics = estimate.diagnostics
    return OffPolicyMetrics(
        policy=policy,
        estimator=estimate.estimator,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        effective_sample_size=None if diagnostics is None else _finite(diagnostics.effective_sample_size),
        max_weight=None if diagnostics is None else _finite(diagnostics.max_weight),
        mean_weight=None if diagnostics is None else _finite(diagnostics.mean_weight),
        identifiable=estimate.identifiable,
        reason=estimate.reason,
        caution=estimate.caution and estimate.caution.replace("impressions", unit),
        logged_value=estimate.logged_value,
        count=estimate.count,
    )


def _finite(value: float) -> float | None:
    """None for what propensities near 0 have made infinite: the file holds numbers."""
    return value if np.isfinite(value) else None
