"""Reward models of single impressions, and their cross-fitted predictions for DM and DR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.choices import LoggedChoices
from ranking.off_policy.logged import LoggedImpressions
from ranking.off_policy.predictions import RewardPredictions
from ranking.off_policy.request_folds import request_folds
from ranking.off_policy.support import checked_probabilities
from seriatim_errors import ConfigError, DataError, TrainingError

ROWS_AT_ONCE = 1 << 14


class RewardModel(Protocol):
    """Something that learns rewards on some rows of a log and answers for any action on others."""

    def predicted(
        self,
        choices: LoggedChoices,
        rewards: NDArray[np.float64],
        train: NDArray[np.int64],
        asked: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Expected rewards of every action on the rows `asked`, from the rewards of the rows `train` only.

        Args:
            choices: the whole log's choices.
            rewards: float64 `[rows]`.
            train, asked: row numbers.

        Returns:
            float64 `[asked, actions]`, finite.

        Raises:
            TrainingError: nothing can be learnt from these rows.
        """


@dataclass(frozen=True)
class TabularRewards:
    """Mean reward by action and position, shrunk to the action's mean, and that to the mean of all.

    Attributes:
        strength: impressions > 0 that the mean above counts for; with click rates of half a percent some
            hundreds.
    """

    strength: float = 200.0

    def __post_init__(self) -> None:
        if not 0 < self.strength < np.inf:
            raise ConfigError(f"strength: {self.strength}; give the number of impressions that a prior mean counts for")

    def predicted(
        self,
        choices: LoggedChoices,
        rewards: NDArray[np.float64],
        train: NDArray[np.int64],
        asked: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """See `RewardModel.predicted`; features are not read."""
        if len(train) == 0:
            raise TrainingError("rewards: no row to learn from; use fewer folds or more requests")
        actions, positions = choices.action_count, int(choices.positions.max(initial=1))
        cell = (choices.actions[train], choices.positions[train] - 1)
        count, total = np.zeros((actions, positions)), np.zeros((actions, positions))
        np.add.at(count, cell, 1.0)
        np.add.at(total, cell, rewards[train])
        overall = rewards[train].mean()
        by_action = (total.sum(axis=1) + self.strength * overall) / (count.sum(axis=1) + self.strength)
        table = (total + self.strength * by_action[:, None]) / (count + self.strength)
        return table[:, choices.positions[asked] - 1].T


@dataclass(frozen=True)
class LogisticRewards:
    """Click probability by regularised logistic regression on context, action, position and their pair's features.

    Every action also has a coefficient of its own. Columns are standardised by the training rows.

    Attributes:
        l2: > 0, the penalty on squared coefficients relative to the summed log loss (`1 / C`).
    """

    l2: float = 100.0

    def __post_init__(self) -> None:
        if not 0 < self.l2 < np.inf:
            raise ConfigError(f"l2: {self.l2}; give a penalty above 0")

    def predicted(
        self,
        choices: LoggedChoices,
        rewards: NDArray[np.float64],
        train: NDArray[np.int64],
        asked: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """See `RewardModel.predicted`.

        Raises:
            TrainingError: rewards are not 0 and 1, or the training rows have only one of them.
        """
        # Not at import: evaluating with weights alone must not cost scikit-learn's start.
        from sklearn.linear_model import LogisticRegression

        labels = rewards[train]
        if not np.isin(labels, (0.0, 1.0)).all():
            raise TrainingError("rewards: not all are 0 or 1; logistic rewards need clicks, use TabularRewards")
        if labels.min(initial=1.0) == labels.max(initial=0.0) or len(labels) == 0:
            raise TrainingError("rewards: the training rows are all alike; give rows with clicks and without")
        design = choices.design(train, choices.actions[train])
        centre, scale = design.mean(axis=0), design.std(axis=0)
        scale = np.where(scale > 1e-12, scale, 1.0)
        model = LogisticRegression(C=1.0 / self.l2, max_iter=1000).fit((design - centre) / scale, labels)
        coefficients = model.coef_[0] / scale
        intercept = float(model.intercept_[0] - centre @ coefficients)
        logits = np.empty((len(asked), choices.action_count))
        for action in range(choices.action_count):
            for start in range(0, len(asked), ROWS_AT_ONCE):
                rows = asked[start : start + ROWS_AT_ONCE]
                logits[start : start + ROWS_AT_ONCE, action] = (
                    choices.design(rows, np.full(len(rows), action)) @ coefficients + intercept
                )
        return 0.5 * (1.0 + np.tanh(0.5 * logits))


def cross_fitted_rewards(
    model: RewardModel,
    logged: LoggedImpressions,
    choices: LoggedChoices,
    target_policy: NDArray[np.floating],
    folds: int = 5,
    seed: int = 0,
) -> RewardPredictions:
    """Predictions for each request by a model of the other requests.

    Args:
        model: what learns.
        logged: the log, with the rewards.
        choices: the same log's actions, positions and features.
        target_policy: float `[impressions, actions]`, the policy's probability of every action; rows add to 1.
        folds: >= 2, at most the number of requests.
        seed: fixes which request falls into which fold.

    Raises:
        DataError: sizes differ, a probability leaves [0, 1] or a row does not add to 1.
        TrainingError: too few requests for the folds, or the model cannot learn from a fold.

    Source: Chernozhukov et al., "Double/debiased machine learning", 2018 (cross-fitting).
    """
    rows = len(logged)
    if len(choices) != rows:
        raise DataError(f"choices: {len(choices)} rows for {rows} impressions; give the same log")
    policy = checked_probabilities("target_policy", target_policy, (rows, choices.action_count))
    sums = policy.sum(axis=1)
    if rows and np.abs(sums - 1.0).max() > 1e-6:
        row = int(np.argmax(np.abs(sums - 1.0)))
        raise DataError(f"target_policy: row {row} adds to {sums[row]:.6g}; give a probability for every action")
    fold = request_folds(logged.request_index, folds, seed)
    of_logged, under_policy = np.empty(rows), np.empty(rows)
    for held_out in range(folds):
        asked, train = np.flatnonzero(fold == held_out), np.flatnonzero(fold != held_out)
        predicted = model.predicted(choices, logged.rewards, train, asked)
        of_logged[asked] = predicted[np.arange(len(asked)), choices.actions[asked]]
        under_policy[asked] = (policy[asked] * predicted).sum(axis=1)
    return RewardPredictions(of_logged, under_policy)
