"""Estimators with a reward model: the direct method, and doubly robust forms that correct it by weighed errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.assembled import MEAN_WEIGHT_CONFIDENCE, assembled_estimate
from ranking.off_policy.estimate import OffPolicyEstimate
from ranking.off_policy.impression_weights import weigh
from ranking.off_policy.logged import LoggedImpressions
from ranking.off_policy.predictions import RewardPredictions
from ranking.off_policy.ratios import RatioTerms, mean_of, ratio_intervals
from ranking.off_policy.support import MAX_UNSUPPORTED, Support, checked_probabilities, effective_size, no_support

# Above this share of the weights a doubly robust estimate is one in name only.
MAX_ALONE = 0.5
MODEL_ERROR = "the interval leaves out the error of the reward model"


def direct_method(
    logged: LoggedImpressions,
    predictions: RewardPredictions,
    unsupported_mass: NDArray[np.floating] | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """DM: the mean prediction for the policy's own choices. It needs no propensities and is as right as its model.

    The interval holds the chance of the requests only, not the model's error, and the caution always says so; it also
    says where the model is wrong on the logged choices, or answers for choices that nobody has seen.

    Args:
        logged: the log; its propensities are not read.
        predictions: `[impressions]` of a model that has not seen these rewards.
        unsupported_mass: float `[impressions]` in [0, 1], the policy's probability of choices that the logger
            never makes, where known.
        confidence, samples, seed: of the bootstrap over requests.

    Raises:
        DataError: lengths differ or a probability leaves [0, 1].
        ValueError: a setting of the bootstrap is out of range.

    Source: Dudik et al., "Doubly robust policy evaluation and learning", ICML 2011, section 2.1.
    """
    predictions.check_shape((len(logged),))
    words = [MODEL_ERROR]
    support = Support(None, None, None) if len(logged) else no_support("the log holds no impressions")
    if unsupported_mass is not None:
        unseen = checked_probabilities("unsupported_mass", unsupported_mass, (len(logged),))
        if len(unseen) and unseen.mean() > MAX_UNSUPPORTED:
            words.append(f"{unseen.mean():.1%} of the policy's choices were never logged: the model guesses there")
    if len(logged):
        errors = mean_of(logged.rewards - predictions.of_logged)
        error = ratio_intervals([errors], [MEAN_WEIGHT_CONFIDENCE], logged.request_index, samples, seed)[0]
        if error is not None and not error.low <= 0 <= error.high:
            words.append(
                f"the model is wrong by {error.value:.3g} [{error.low:.3g}, {error.high:.3g}] on the logged choices"
            )
    return assembled_estimate(
        "dm",
        lambda cap: mean_of(predictions.under_policy),
        support,
        logged.rewards,
        logged.request_index,
        None,
        confidence,
        samples,
        seed,
        words,
    )


def doubly_robust(
    logged: LoggedImpressions,
    target_probabilities: NDArray[np.floating],
    predictions: RewardPredictions,
    unsupported_mass: NDArray[np.floating] | None = None,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """DR: the mean of `under_policy + w * (r - of_logged)`, unbiased if the propensities or the model are right.

    Args:
        logged: the log, with propensities.
        target_probabilities: float `[impressions]` in [0, 1], the policy's probability of the logged choice.
        predictions: `[impressions]` of a model that has not seen these rewards; zeros give IPS.
        unsupported_mass: float `[impressions]` in [0, 1], see `ranking.off_policy.impression_weights.weigh`.
        self_normalised: divide the correction by the mean weight (SNDR).
        clip: cap > 0 on the weights of `clipped_value`. Never tune it on the data that it is reported for.
        confidence, samples, seed: of the bootstrap over requests.

    Raises:
        DataError: lengths differ or a probability leaves its range.
        ValueError: `clip` is not positive, or a setting of the bootstrap is out of range.

    Source: Dudik et al., "Doubly robust policy evaluation and learning", ICML 2011, equation 2.
    """
    weights, support = weigh(logged, target_probabilities, unsupported_mass)
    predictions.check_shape(weights.shape)
    errors, ones = logged.rewards - predictions.of_logged, np.ones(len(logged))

    def terms(cap: float) -> RatioTerms:
        capped = np.minimum(weights, cap)
        return RatioTerms(
            np.stack([predictions.under_policy, capped * errors], axis=1),
            np.stack([ones, capped if self_normalised else ones], axis=1),
        )

    name = "sndr" if self_normalised else "dr"
    return assembled_estimate(
        name, terms, support, logged.rewards, logged.request_index, clip, confidence, samples, seed
    )


def switch_doubly_robust(
    logged: LoggedImpressions,
    target_probabilities: NDArray[np.floating],
    predictions: RewardPredictions,
    threshold: float,
    unsupported_mass: NDArray[np.floating] | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """Switch-DR: DR where the weight is at most `threshold`, the model alone above it; biased by its error there.

    Effective sample size and largest weight are those of the weights that are used. The caution says when the model
    alone answers for most of the policy's choices.

    Args:
        threshold: tau >= 0, in units of the weights; infinity gives DR, 0 (with all weights above) gives DM.
            Choose it on other data than the estimate is made on.
        logged, target_probabilities, predictions, unsupported_mass, confidence, samples, seed: as in
            `doubly_robust`.

    Raises:
        DataError: as `doubly_robust`.
        ValueError: `threshold` is negative or NaN, or a setting of the bootstrap is out of range.

    Source: Wang, Agarwal and Dudik, "Optimal and adaptive off-policy evaluation in contextual bandits", ICML 2017.
    """
    if not threshold >= 0:
        raise ValueError(f"threshold: {threshold}; give a weight of at least 0 above which the model answers")
    weights, support = weigh(logged, target_probabilities, unsupported_mass)
    predictions.check_shape(weights.shape)
    trusted = np.where(weights <= threshold, weights, 0.0)
    words = []
    if support.diagnostics is not None:
        used = replace(
            support.diagnostics, effective_sample_size=effective_size(trusted), max_weight=float(trusted.max())
        )
        support = replace(support, diagnostics=used)
        alone = 1.0 - trusted.sum() / weights.sum() if weights.any() else 0.0
        if alone > MAX_ALONE:
            words.append(f"the model alone answers for {alone:.0%} of the weight; {MODEL_ERROR}")
    values = predictions.under_policy + trusted * (logged.rewards - predictions.of_logged)
    return assembled_estimate(
        "switch_dr",
        lambda cap: mean_of(values),
        support,
        logged.rewards,
        logged.request_index,
        None,
        confidence,
        samples,
        seed,
        words,
    )
