"""Importance weights of single impressions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.logged import LoggedImpressions
from ranking.off_policy.ratios import mean_of
from ranking.off_policy.support import Support, checked_probabilities, judged, no_support


def weigh(
    logged: LoggedImpressions,
    target_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.float64], Support]:
    """Importance weights of `logged` for a policy, and whether the log supports that policy.

    Where a propensity is 1 the logger makes no other choice, so whatever probability the policy gives to
    others is without support; that much is known from the log alone.

    Args:
        logged: the log.
        target_probabilities: float `[impressions]` in [0, 1], the policy's probability of the logged choice.
        unsupported_mass: float `[impressions]` in [0, 1], the policy's probability of choices that the logger
            never makes in that place, where the caller knows both policies fully; None: only what the log
            shows.

    Returns:
        Weights, float64 `[impressions]`, zeros where there can be none, and the verdict.

    Raises:
        DataError: the lengths differ or a probability leaves [0, 1].
    """
    shape = (len(logged),)
    target = checked_probabilities("target_probabilities", target_probabilities, shape)
    known = np.zeros(shape)
    if unsupported_mass is not None:
        known = checked_probabilities("unsupported_mass", unsupported_mass, shape)
    if len(logged) == 0:
        return np.zeros(shape), no_support("the log holds no impressions")
    if logged.propensities is None:
        return np.zeros(shape), no_support("the log holds no propensities; log them with exploration on")
    certain = logged.propensities == 1
    weights = target / logged.propensities
    missing = np.maximum(np.where(certain, 1.0 - target, 0.0), known)
    return weights, judged(weights, mean_of(weights), missing, bool(certain.all()))
