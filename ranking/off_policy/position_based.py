"""The position-based estimator: a click moves with its item, as often as the new position is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.off_policy.assembled import assembled_estimate
from ranking.off_policy.estimate import OffPolicyEstimate
from ranking.off_policy.logged_slates import LoggedSlates
from ranking.off_policy.ratios import RatioTerms, mean_of
from ranking.off_policy.support import MAX_UNSUPPORTED, Support, checked_probabilities, judged, no_support
from seriatim_errors import DataError


def position_based_score(
    logged: LoggedSlates,
    examination: ArrayLike,
    target_placements: NDArray[np.floating],
    logged_placements: NDArray[np.floating] | None = None,
    clip: float | None = None,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> OffPolicyEstimate:
    """PBM: clicks weighed by how much likelier the policy has their items looked at.

    Unbiased where a click needs two independent things, that its position is looked at (theta) and that its item
    attracts, and theta is right. It is the one estimator for logs of a deterministic policy, as far as the
    new policy shows the same items in another order. The interval takes theta as known.

    The weight of the item logged at position j is `sum_k alpha_k theta_k pi_e(item at k)` over `theta_j`, or over
    `sum_k theta_k pi_b(item at k)` where `logged_placements` are given. The latter makes use of exploration: an
    item need not be in the logged slate for the policy to show it.

    Args:
        logged: the log; its propensities are not read, its position weights are those of the new position.
        examination: float `[positions]` in (0, 1], theta; only ratios matter. See
            `ranking.click_models.fit_position_based`.
        target_placements: float `[slates, positions, positions]`: `[s, j, k]` is the policy's probability of
            showing at position k the item that slate s has at position j; see `placements_of_ranks`.
        logged_placements: the same of the logging policy; None: it always shows items where they were logged.
        clip: cap > 0 on the weights of `clipped_value`.
        confidence, samples, seed: of the bootstrap over requests.

    Raises:
        DataError: shapes differ, theta or a probability is out of range, an item's probabilities add to more
            than 1, the logging policy never looks where it showed an item, or slates have gaps although
            `logged_placements` are not given.
        ValueError: `clip` is not positive, or a setting of the bootstrap is out of range.

    Source: Li et al., "Offline evaluation of ranking policies with click models", KDD 2018, section 4.4.
    """
    theta = _checked_examination(examination, logged.rewards.shape[1])
    target = _checked_placements("target_placements", target_placements, logged)
    at_own = np.where(logged.mask, theta, 1.0)
    if logged_placements is None:
        logged.check_unbroken("PBM without logged_placements")
        before = at_own
    else:
        before = np.where(logged.mask, _checked_placements("logged_placements", logged_placements, logged) @ theta, 1.0)
        never = np.argwhere(before <= 0)
        if len(never):
            slate, position = (int(index) for index in never[0])
            raise DataError(
                f"logged_placements: slate {slate} shows at position {position + 1} an item that it never shows; "
                "give each logged item its probabilities"
            )
    weights = (target @ (logged.alpha * theta)) / before
    support = _support(logged, theta, target, before, logged_placements is None)
    rewards = np.where(logged.mask, logged.rewards, 0.0)
    return assembled_estimate(
        "pbm",
        lambda cap: mean_of(np.minimum(weights, cap) * rewards),
        support,
        logged.weighted_rewards.sum(axis=1),
        logged.request_index,
        clip,
        confidence,
        samples,
        seed,
    )


def placements_of_ranks(ranks: NDArray[np.integer], positions: int) -> NDArray[np.float64]:
    """Placements of a policy that puts each logged item at one rank.

    Args:
        ranks: int `[slates, items]`, the new 1-based rank of each logged item; beyond `positions`: not shown.
        positions: length of a slate.

    Returns:
        float64 `[slates, items, positions]`, 1 at the rank.

    Raises:
        DataError: a rank is below 1.
    """
    if len(ranks) and ranks.min() < 1:
        raise DataError(f"ranks: {int(ranks.min())}; ranks count from 1")
    return (ranks[:, :, None] == np.arange(1, positions + 1)).astype(np.float64)


def _support(
    logged: LoggedSlates,
    theta: NDArray[np.float64],
    target: NDArray[np.float64],
    before: NDArray[np.float64],
    fixed_logger: bool,
) -> Support:
    """Weights without alpha, so that a slate's mean weight, each by how much it is looked at, has expectation 1."""
    if not logged.mask.any():
        return no_support("the log holds no slates")
    looked_at = np.where(logged.mask, theta, 0.0)
    weights = (target @ theta) / before
    mean_weight = RatioTerms((looked_at * weights).sum(axis=1), looked_at.sum(axis=1))
    # A logger without choice shows only the items of the slate; what the policy looks for elsewhere is unseen.
    share = (target @ theta).sum(axis=1) / np.maximum(looked_at.sum(axis=1), np.finfo(float).tiny)
    missing = np.clip(1.0 - share, 0.0, 1.0) if fixed_logger else np.zeros(len(logged))
    support = judged(weights[logged.mask], mean_weight, missing, fixed_logger)
    unseen = float(missing.mean())
    if unseen <= MAX_UNSUPPORTED:
        return support
    reason = (
        f"{unseen:.1%} of what users would look at under the policy are items that the logged slates do not hold; "
        "collect traffic with exploration and give logged_placements"
    )
    return Support(support.diagnostics, support.mean_weight, reason)


def _checked_examination(examination: ArrayLike, positions: int) -> NDArray[np.float64]:
    theta = np.asarray(examination, np.float64)
    if theta.shape != (positions,) or not ((theta > 0) & (theta <= 1)).all():
        raise DataError(f"examination: {theta}; give {positions} probabilities above 0 and at most 1, one a position")
    return theta


def _checked_placements(name: str, values: NDArray[np.floating], logged: LoggedSlates) -> NDArray[np.float64]:
    """Placements as float64, zero outside the mask."""
    slates, positions = logged.mask.shape
    given = np.asarray(values, np.float64)
    if given.shape == (slates, positions, positions):
        given = np.where(logged.mask[:, :, None], given, 0.0)
    placements = checked_probabilities(name, given, (slates, positions, positions))
    crowded = np.argwhere(placements.sum(axis=2) > 1 + 1e-6)
    if len(crowded):
        slate, position = (int(index) for index in crowded[0])
        raise DataError(
            f"{name}: slate {slate}, item at position {position + 1}: probabilities add to "
            f"{placements[slate, position].sum():.6g}; an item stands at one position at most"
        )
    return placements
