"""Every slate of three out of four items, two policies over them, and users whose expected rewards are known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ranking.off_policy import LoggedSlates, OffPolicyEstimate

ITEMS, POSITIONS = 4, 3
SLATES = np.array(list(itertools.permutations(range(ITEMS), POSITIONS)))


@dataclass(frozen=True)
class Policy:
    """Items are drawn one after another by softmax of a logit that may depend on the item above."""

    logits: np.ndarray  # [items above + 1, items]

    def steps(self) -> np.ndarray:
        """Probability of every item at each step after each slate's own prefix, `[slates, positions, items]`."""
        found = np.zeros((len(SLATES), POSITIONS, ITEMS))
        for row, slate in enumerate(SLATES):
            for k in range(POSITIONS):
                scores = np.exp(self.logits[slate[k - 1] + 1 if k else 0])
                scores[slate[:k]] = 0.0
                found[row, k] = scores / scores.sum()
        return found

    def chosen(self) -> np.ndarray:
        """Step probabilities of each slate's own items, `[slates, positions]`."""
        return np.take_along_axis(self.steps(), SLATES[:, :, None], axis=2)[:, :, 0]

    def slates(self) -> np.ndarray:
        """Probability of every slate, `[slates]`."""
        return self.chosen().prod(axis=1)

    def placements(self) -> np.ndarray:
        """Probability of each item at each position, `[items, positions]`."""
        found = np.zeros((ITEMS, POSITIONS))
        for k in range(POSITIONS):
            np.add.at(found[:, k], SLATES[:, k], self.slates())
        return found

    def marginals(self) -> np.ndarray:
        """Probability of each slate's items at their positions, `[slates, positions]`."""
        return self.placements()[SLATES, np.arange(POSITIONS)]


def random_policy(rng: np.random.Generator) -> Policy:
    return Policy(rng.normal(size=(ITEMS + 1, ITEMS)))


def interacting_rewards(rng: np.random.Generator) -> np.ndarray:
    """Expected rewards `[slates, positions]` that depend on the whole slate."""
    return rng.random((len(SLATES), POSITIONS))


def cascade_rewards(rng: np.random.Generator) -> np.ndarray:
    """Expected rewards that depend on the items down to the position."""
    tables = [rng.random((ITEMS,) * (k + 1)) for k in range(POSITIONS)]
    return np.stack([tables[k][tuple(SLATES[:, : k + 1].T)] for k in range(POSITIONS)], axis=1)


def independent_rewards(rng: np.random.Generator) -> np.ndarray:
    """Expected rewards that depend on the item and its position."""
    return rng.random((ITEMS, POSITIONS))[SLATES, np.arange(POSITIONS)]


def logged_slates(policy: Policy, rewards: np.ndarray, alpha: np.ndarray | None = None) -> LoggedSlates:
    """A log in which every slate stands once."""
    return LoggedSlates(
        rewards=rewards,
        mask=np.ones_like(rewards, bool),
        request_index=np.arange(len(rewards)),
        step_propensities=policy.chosen(),
        marginal_propensities=policy.marginals(),
        position_weights=alpha,
    )


def one_slate(log: LoggedSlates, row: int) -> LoggedSlates:
    chosen = slice(row, row + 1)
    return LoggedSlates(
        log.rewards[chosen],
        log.mask[chosen],
        log.request_index[chosen],
        None if log.step_propensities is None else log.step_propensities[chosen],
        None if log.marginal_propensities is None else log.marginal_propensities[chosen],
        log.position_weights,
    )


def expected_value(policy: Policy, log: LoggedSlates, estimate: Callable[..., OffPolicyEstimate], *arrays: np.ndarray):
    """Mean of an estimator over the logging policy's slates; `arrays` are its arguments with a row a slate."""
    total = 0.0
    for row, probability in enumerate(policy.slates()):
        found = estimate(one_slate(log, row), *(array[row : row + 1] for array in arrays), samples=1)
        assert found.value is not None
        total += probability * found.value
    return total


def true_value(policy: Policy, log: LoggedSlates) -> float:
    return float(policy.slates() @ log.weighted_rewards.sum(axis=1))
