"""A reward model of slates: what is still to come at every position, fitted from the last position upwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.logged_slates import LoggedSlates
from ranking.off_policy.predictions import RewardPredictions
from ranking.off_policy.request_folds import request_folds
from ranking.off_policy.support import checked_probabilities
from seriatim_errors import ConfigError, DataError


def cross_fitted_slate_rewards(
    logged: LoggedSlates,
    items: NDArray[np.integer],
    target_steps: NDArray[np.floating],
    strength: float = 20.0,
    folds: int = 5,
    seed: int = 0,
) -> RewardPredictions:
    """`Q_k` by item and position, for each request from the slates of the other requests.

    From the last position upwards: the target of position k is `alpha_k r_k` plus what the fitted `Q_{k+1}` says
    of the policy's own choice after the logged prefix; `Q_k` is its mean by item, shrunk to the mean of the
    position. It leaves out the items above, so it is a model that doubly robust correction has work with.

    Args:
        logged: the log.
        items: int `[slates, positions]` in [0, item count), what stands where; read within the mask.
        target_steps: float `[slates, positions, items]` in [0, 1], the policy's probability of every item at
            each position given the logged items above it; rows within the mask add to 1.
        strength: slates > 0 that the mean of the position counts for.
        folds: >= 2, at most the number of requests.
        seed: fixes which request falls into which fold.

    Raises:
        ConfigError: `strength` is not positive.
        DataError: shapes differ, an item or probability is out of range, a row does not add to 1, or a slate has
            a gap.
        TrainingError: too few requests for the folds.

    Source: Kiyohara et al., WSDM 2022, section 3.2, with a tabular model.
    """
    if not 0 < strength < np.inf:
        raise ConfigError(f"strength: {strength}; give the number of slates that a position's mean counts for")
    logged.check_unbroken("a reward model of slates")
    policy = _checked_steps(logged, target_steps)
    if items.shape != logged.mask.shape:
        raise DataError(f"items: shape {items.shape} for slates of shape {logged.mask.shape}; give the same")
    inside = items[logged.mask]
    if len(inside) and not (inside.min() >= 0 and inside.max() < policy.shape[2]):
        raise DataError(f"items: {inside.min()} to {inside.max()}; give 0 to {policy.shape[2] - 1}")
    index = np.where(logged.mask, items, 0)
    fold = request_folds(logged.request_index, folds, seed)
    of_logged, under_policy = np.zeros(index.shape), np.zeros(index.shape)
    for held_out in range(folds):
        table = _fitted(logged, index, policy, fold != held_out, strength)
        asked = fold == held_out
        of_logged[asked] = table[np.arange(index.shape[1]), index[asked]]
        under_policy[asked] = (policy[asked] * table).sum(axis=2)
    return RewardPredictions(np.where(logged.mask, of_logged, 0.0), np.where(logged.mask, under_policy, 0.0))


def _fitted(
    logged: LoggedSlates,
    items: NDArray[np.integer],
    policy: NDArray[np.float64],
    train: NDArray[np.bool_],
    strength: float,
) -> NDArray[np.float64]:
    """The table of `Q_k`, float64 `[positions, items]`, from the slates where `train` is true."""
    positions, item_count = policy.shape[1:]
    rewards = logged.weighted_rewards
    table = np.zeros((positions, item_count))
    to_come = np.zeros(len(logged))
    for k in reversed(range(positions)):
        rows = train & logged.mask[:, k]
        target = (rewards[:, k] + to_come)[rows]
        count = np.bincount(items[rows, k], minlength=item_count)
        total = np.bincount(items[rows, k], target, minlength=item_count)
        overall = target.mean() if len(target) else 0.0
        table[k] = (total + strength * overall) / (count + strength)
        to_come = np.where(logged.mask[:, k], policy[:, k] @ table[k], 0.0)
    return table


def _checked_steps(logged: LoggedSlates, target_steps: NDArray[np.floating]) -> NDArray[np.float64]:
    given = np.asarray(target_steps, np.float64)
    if given.ndim != 3 or given.shape[:2] != logged.mask.shape:
        raise DataError(
            f"target_steps: shape {given.shape} for slates of shape {logged.mask.shape}; add one axis, the items"
        )
    policy = checked_probabilities("target_steps", np.where(logged.mask[:, :, None], given, 0.0), given.shape)
    sums = policy.sum(axis=2)
    wrong = np.argwhere(logged.mask & (np.abs(sums - 1.0) > 1e-6))
    if len(wrong):
        slate, position = (int(number) for number in wrong[0])
        raise DataError(
            f"target_steps: slate {slate}, position {position + 1} adds to {sums[slate, position]:.6g}; "
            "give a probability for every item that may be chosen there"
        )
    return policy
