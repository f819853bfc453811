"""Simulated slates for `benchmarks.off_policy`: users whose value for a policy is known exactly, by enumeration."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy import (
    LoggedSlates,
    OffPolicyEstimate,
    cascade_doubly_robust,
    cross_fitted_slate_rewards,
    independent_inverse_propensity_score,
    position_based_score,
    reward_interaction_inverse_propensity_score,
    slate_inverse_propensity_score,
)

ITEMS, POSITIONS, SLATES_A_LOG, LEAST_RUNS, MOST_RUNS = 8, 4, 2000, 10, 400
SLATES = np.array(list(itertools.permutations(range(ITEMS), POSITIONS)))
ATTRACTION = np.linspace(0.05, 0.6, ITEMS)
THETA = np.array([1.0, 0.7, 0.5, 0.35])
# Items of one kind crowd each other out.
KIND = np.arange(ITEMS) % 3


@dataclass(frozen=True)
class World:
    """Users, as they are with every slate.

    Attributes:
        users: what they do, in words.
        drawn: probability of a click at each position, once the user gets there, `[slates, positions]`.
        stop: whether the user leaves after the first click.
    """

    users: str
    drawn: NDArray[np.float64]
    stop: bool = False

    def expected(self) -> NDArray[np.float64]:
        """Probability of a click at each position of every slate, `[slates, positions]`."""
        if not self.stop:
            return self.drawn
        staying = np.cumprod(1.0 - self.drawn, axis=1)[:, :-1]
        return self.drawn * np.concatenate([np.ones((len(SLATES), 1)), staying], axis=1)

    def clicks(self, slates: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Clicks on the slates of the given rows, float64 `[rows, positions]`."""
        clicked = rng.random((len(slates), POSITIONS)) < self.drawn[slates]
        if self.stop:
            clicked &= np.cumsum(clicked, axis=1) == 1
        return clicked.astype(np.float64)


def _same_kind() -> NDArray[np.bool_]:
    """Whether the items at two positions are of one kind, bool `[slates, positions, other positions]`."""
    kinds = KIND[SLATES]
    return (kinds[:, :, None] == kinds[:, None, :]) & ~np.eye(POSITIONS, dtype=bool)


ABOVE = np.tri(POSITIONS, k=-1) > 0
WORLDS = {
    "independent": World("a click depends on its item and position", THETA * ATTRACTION[SLATES]),
    "cascade": World(
        "read from the top, stop at a click, less drawn by a kind seen above",
        ATTRACTION[SLATES] * 0.4 ** (_same_kind() & ABOVE).sum(axis=2),
        stop=True,
    ),
    "comparing": World(
        "less drawn by an item of which another one of the kind stands below",
        THETA * ATTRACTION[SLATES] * 0.2 ** (_same_kind() & ABOVE.T).sum(axis=2),
    ),
}


@dataclass(frozen=True)
class Policy:
    """Items drawn one after another by softmax of `logits` over what is left."""

    logits: NDArray[np.float64]

    def steps(self) -> NDArray[np.float64]:
        """Probability of every item at each position given each slate's items above, `[slates, positions, items]`."""
        left = np.ones((len(SLATES), ITEMS))
        found = np.zeros((len(SLATES), POSITIONS, ITEMS))
        for k in range(POSITIONS):
            weights = left * np.exp(self.logits)
            found[:, k] = weights / weights.sum(axis=1, keepdims=True)
            left[np.arange(len(SLATES)), SLATES[:, k]] = 0.0
        return found


@dataclass(frozen=True)
class Enumerated:
    """What a policy does in every slate.

    Attributes:
        steps: `[slates, positions, items]`.
        chosen: step probabilities of each slate's items, `[slates, positions]`.
        slates: probability of each slate, `[slates]`.
        placements: probability of each item at each position, `[items, positions]`.
    """

    steps: NDArray[np.float64]
    chosen: NDArray[np.float64]
    slates: NDArray[np.float64]
    placements: NDArray[np.float64]

    @classmethod
    def of(cls, policy: Policy) -> Enumerated:
        """Go through every slate."""
        steps = policy.steps()
        chosen = np.take_along_axis(steps, SLATES[:, :, None], axis=2)[:, :, 0]
        slates = chosen.prod(axis=1)
        placements = np.zeros((ITEMS, POSITIONS))
        for k in range(POSITIONS):
            np.add.at(placements[:, k], SLATES[:, k], slates)
        return cls(steps, chosen, slates, placements)


def judged_worlds(end: float) -> tuple[list[dict[str, Any]], int]:
    """Rows of every estimator in every world, and the number of logs that were drawn of each.

    Args:
        end: `time.monotonic()` after which no further log is begun, once there are `LEAST_RUNS`.
    """
    # Alike enough for the weights to be bearable, unlike enough to matter.
    logger = Enumerated.of(Policy(np.linspace(0.0, 0.8, ITEMS)))
    target = Enumerated.of(Policy(np.linspace(0.0, 2.5, ITEMS) * np.where(KIND == 1, 0.2, 1.0)))
    found: dict[tuple[str, str], list[OffPolicyEstimate]] = {}
    runs = 0
    while runs < LEAST_RUNS or (runs < MOST_RUNS and time.monotonic() < end):
        for world, users in WORLDS.items():
            for name, estimate in _estimates(users, logger, target, np.random.default_rng(runs)):
                found.setdefault((world, name), []).append(estimate)
        runs += 1
    truths = {world: float(target.slates @ users.expected().sum(axis=1)) for world, users in WORLDS.items()}
    return [_row(world, name, estimates, truths[world]) for (world, name), estimates in found.items()], runs


def _estimates(
    world: World, logger: Enumerated, target: Enumerated, rng: np.random.Generator
) -> Iterator[tuple[str, OffPolicyEstimate]]:
    row = rng.choice(len(SLATES), SLATES_A_LOG, p=logger.slates)
    items, at = SLATES[row], np.arange(POSITIONS)
    log = LoggedSlates(
        rewards=world.clicks(row, rng),
        mask=np.ones(items.shape, bool),
        request_index=np.arange(len(items)),
        step_propensities=logger.chosen[row],
        marginal_propensities=logger.placements[items, at],
    )
    chosen, marginals = target.chosen[row], target.placements[items, at]
    predictions = cross_fitted_slate_rewards(log, items, target.steps[row])
    by_steps: list[tuple[str, Callable[..., OffPolicyEstimate]]] = [
        ("SIPS", slate_inverse_propensity_score),
        ("RIPS", reward_interaction_inverse_propensity_score),
    ]
    for prefix, normalised in (("", False), ("SN-", True)):
        for name, estimator in by_steps:
            yield prefix + name, estimator(log, chosen, self_normalised=normalised, samples=200)
        cascade_dr = cascade_doubly_robust(log, chosen, predictions, self_normalised=normalised, samples=200)
        yield prefix + "cascade-DR", cascade_dr
        iips = independent_inverse_propensity_score(log, marginals, self_normalised=normalised, samples=200)
        yield prefix + "IIPS", iips
    placed, before = target.placements[items], logger.placements[items]
    yield "PBM, known examination", position_based_score(log, THETA, placed, before, samples=200)


def _row(world: str, name: str, estimates: list[OffPolicyEstimate], truth: float) -> dict[str, Any]:
    values = np.array([found.value for found in estimates if found.value is not None])
    covered = [
        found.low <= truth <= found.high for found in estimates if found.low is not None and found.high is not None
    ]
    error = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    bias = (values.mean() - truth) / truth
    # Some of this many rows leave an interval of 95 % by chance; three standard errors hardly any.
    biased = abs(values.mean() - truth) > 3.0 / 1.96 * error
    effective = np.mean([found.diagnostics.effective_sample_size for found in estimates if found.diagnostics])
    return {
        "setting": f"simulated, {world} users",
        "estimator": name,
        "estimate": float(values.mean()),
        "low": float(values.mean() - error),
        "high": float(values.mean() + error),
        "truth": truth,
        "relative error": float(np.sqrt(np.mean((values / truth - 1.0) ** 2))),
        "covers": f"{np.mean(covered):.0%} of {len(values)}",
        "agrees": "-",
        "remark": f"{'bias' if biased else 'no bias seen'} {bias:+.2%}; effective {effective:.0f} of {SLATES_A_LOG}",
    }
