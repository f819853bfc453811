"""Importance weights of slates: the ratio of two policies at every position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.logged_slates import LoggedSlates
from ranking.off_policy.ratios import mean_of
from ranking.off_policy.support import Support, checked_probabilities, judged, no_support

NO_SLATES = "the log holds no slates"


def position_ratios(
    logged: LoggedSlates, propensities: NDArray[np.float64], name: str, target: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`target / propensities` and the probability that the policy gives where the logger had no choice.

    Outside the mask both policies do the same, so that the ratio is 1 and nothing is missing.

    Args:
        logged: the log.
        propensities: one of the log's two kinds, `[slates, positions]`.
        name: of `target`, for messages.
        target: float `[slates, positions]`, the policy's probabilities of the same kind.

    Returns:
        Two float64 `[slates, positions]`.

    Raises:
        DataError: the shapes differ or a probability within the mask leaves [0, 1].
    """
    given = np.asarray(target, np.float64)
    inside = np.where(logged.mask, given, 1.0) if given.shape == logged.mask.shape else given
    probabilities = checked_probabilities(name, inside, logged.mask.shape)
    base = np.where(logged.mask, propensities, 1.0)
    return probabilities / base, np.where(base == 1, 1.0 - probabilities, 0.0)


def cumulative_ratios(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """`W_1:k`, the products of the step ratios down to each position, float64 `[slates, positions]`."""
    return np.cumprod(ratios, axis=1)


def ratios_before(cumulative: NDArray[np.float64]) -> NDArray[np.float64]:
    """`W_1:k-1`, the products above each position, float64 `[slates, positions]`; 1 at the first."""
    return np.concatenate([np.ones((len(cumulative), 1)), cumulative[:, :-1]], axis=1)


def weigh_steps(
    logged: LoggedSlates,
    target_step_probabilities: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None,
    estimator: str,
    whole_slate: bool = False,
) -> tuple[NDArray[np.float64], Support]:
    """Cumulative weights `W_1:k` of slates that two policies choose item by item.

    Probability that leaves the log's support at step k is counted as often as the policy gets there, which
    `W_1:k-1` estimates without bias.

    Args:
        logged: the log, with step propensities.
        target_step_probabilities: float `[slates, positions]` in [0, 1], the policy's probability of each
            logged item given the logged items above it.
        unsupported_mass: float `[slates]` in [0, 1], the policy's known probability of slates that the logger
            never shows; None: only what the log shows.
        estimator: its name, for messages.
        whole_slate: give every position the weight of the whole slate, `W_1:K`.

    Returns:
        float64 `[slates, positions]`, zeros where there can be no weights, and the verdict.

    Raises:
        DataError: shapes differ, a probability leaves [0, 1] or a slate has a gap.
    """
    logged.check_unbroken(estimator)
    if logged.step_propensities is None:
        checked_probabilities("target_step_probabilities", target_step_probabilities, logged.mask.shape)
        reason = "the log holds no step propensities; log them with exploration on"
        return np.zeros(logged.mask.shape), no_support(reason if len(logged) else NO_SLATES)
    ratios, missing = position_ratios(
        logged, logged.step_propensities, "target_step_probabilities", target_step_probabilities
    )
    cumulative = cumulative_ratios(ratios)
    lost = (ratios_before(cumulative) * missing).sum(axis=1)
    weights = np.repeat(cumulative[:, -1:], cumulative.shape[1], axis=1) if whole_slate else cumulative
    return weights, _judged_slates(logged, weights, lost, logged.step_propensities, unsupported_mass)


def weigh_marginals(
    logged: LoggedSlates,
    target_marginals: NDArray[np.floating],
    unsupported_mass: NDArray[np.floating] | None,
) -> tuple[NDArray[np.float64], Support]:
    """Weights `u_k` of each item at its position alone; arguments and result as in `weigh_steps`, with the
    policy's probability of each logged item at its position."""
    if logged.marginal_propensities is None:
        checked_probabilities("target_marginals", target_marginals, logged.mask.shape)
        reason = "the log holds no marginal propensities; log them with exploration on"
        return np.zeros(logged.mask.shape), no_support(reason if len(logged) else NO_SLATES)
    ratios, missing = position_ratios(logged, logged.marginal_propensities, "target_marginals", target_marginals)
    lost = missing.sum(axis=1) / np.maximum(logged.mask.sum(axis=1), 1)
    return ratios, _judged_slates(logged, ratios, lost, logged.marginal_propensities, unsupported_mass)


def _judged_slates(
    logged: LoggedSlates,
    weights: NDArray[np.float64],
    lost: NDArray[np.float64],
    propensities: NDArray[np.float64],
    unsupported_mass: NDArray[np.floating] | None,
) -> Support:
    if unsupported_mass is not None:
        lost = np.maximum(lost, checked_probabilities("unsupported_mass", unsupported_mass, (len(logged),)))
    if not logged.mask.any():
        return no_support(NO_SLATES)
    alpha = np.where(logged.mask, logged.alpha, 0.0)
    # What a slate would weigh if all its rewards were alike.
    by_slate = np.where(alpha.sum(axis=1) > 0, (alpha * weights).sum(axis=1), 1.0)
    by_slate /= np.where(alpha.sum(axis=1) > 0, alpha.sum(axis=1), 1.0)
    deterministic = bool((propensities[logged.mask] == 1).all())
    return judged(weights[logged.mask], mean_of(by_slate), lost, deterministic)
