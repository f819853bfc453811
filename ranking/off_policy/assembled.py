"""From an estimator's terms and the verdict on support to the estimate that a reader sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.estimate import OffPolicyEstimate
from ranking.off_policy.ratios import RatioTerms, ratio_intervals
from ranking.off_policy.support import Support, cautions

# High, so that a sound log is rarely called unsound.
MEAN_WEIGHT_CONFIDENCE = 0.99


def assembled_estimate(
    estimator: str,
    terms: Callable[[float], RatioTerms],
    support: Support,
    row_rewards: NDArray[np.float64],
    request_index: NDArray[np.integer],
    clip: float | None,
    confidence: float,
    samples: int,
    seed: int,
    also: Iterable[str] = (),
) -> OffPolicyEstimate:
    """The estimate of one estimator, with intervals, clipped value and cautions.

    Args:
        estimator: its name.
        terms: the estimate's terms for a cap on the weights; infinity caps nothing. Asked only when the value
            is identifiable.
        support: the verdict on the log; with neither diagnostics nor mean weight the value does not rest on weights.
        row_rewards: float64 `[rows]`, what the logging policy earned.
        request_index: int `[rows]`.
        clip: cap > 0 of the clipped value, or None.
        confidence, samples, seed: of the bootstrap.
        also: cautions that the estimator knows itself.

    Raises:
        ValueError: `clip` is not positive, or a setting of the bootstrap is out of range.
    """
    if clip is not None and not clip > 0:
        raise ValueError(f"clip: {clip}; give a positive cap on the weights, or None")
    reason, words = support.reason, list(also)
    found = clipped = None
    if reason is None:
        sums, confidences = [terms(np.inf)], [confidence]
        if clip is not None:
            sums, confidences = [*sums, terms(clip)], [*confidences, confidence]
        if support.mean_weight is not None:
            sums, confidences = [*sums, support.mean_weight], [*confidences, MEAN_WEIGHT_CONFIDENCE]
        intervals = ratio_intervals(sums, confidences, request_index, samples, seed)
        found = intervals[0]
        clipped = None if clip is None or found is None else intervals[1]
        if found is None:
            reason = "none of the logged choices at some position is one that the policy makes, so nothing normalises"
        elif support.diagnostics is not None and intervals[-1] is not None:
            words += cautions(support.diagnostics, intervals[-1])
    return OffPolicyEstimate(
        estimator=estimator,
        value=None if found is None else found.value,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
        clipped_value=None if clipped is None else clipped.value,
        clipped_low=None if clipped is None else clipped.low,
        clipped_high=None if clipped is None else clipped.high,
        clip=clip,
        identifiable=reason is None,
        reason=reason,
        caution=None if reason is not None else "; ".join(words) or None,
        logged_value=float(row_rewards.mean()) if len(row_rewards) else float("nan"),
        count=len(row_rewards),
        diagnostics=support.diagnostics,
    )
