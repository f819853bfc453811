"""What a policy that orders a known set of items would do at every step of logged slates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.slate_weights import ratios_before


@dataclass(frozen=True)
class OrderTarget:
    """A policy's probabilities on logged slates.

    Attributes:
        steps: float64 `[slates, positions]` in [0, 1], of each logged item given the logged items above it.
        marginals: float64 `[slates, positions]`, of each logged item at its position; None where not known.
        choices: float64 `[slates, positions, items]`, of every item of the set at each position given the logged
            items above it; None where not known.
    """

    steps: NDArray[np.float64]
    marginals: NDArray[np.float64] | None = None
    choices: NDArray[np.float64] | None = None

    def choices_of_classes(self, classes: NDArray[np.integer], count: int) -> NDArray[np.float64] | None:
        """`choices` added up by class of item: float64 `[slates, positions, count]`, None where not known.

        Args:
            classes: int `[slates, items]` in [0, count).
            count: of classes.
        """
        if self.choices is None:
            return None
        found = np.zeros((*self.steps.shape, count))
        for number in range(count):
            found[:, :, number] = np.where((classes == number)[:, None, :], self.choices, 0.0).sum(axis=2)
        # Sums of shares of 1 may miss it by a rounding.
        return np.minimum(found, 1.0)


def ordered_target(
    ranks: NDArray[np.integer],
    mask: NDArray[np.bool_],
    positions: int,
    epsilon: float = 0.0,
    movable: NDArray[np.integer] | None = None,
) -> OrderTarget:
    """The policy that shows one order, or with probability `epsilon` one drawn evenly from all orders.

    Off its order a deterministic policy's steps do not matter, for the weight above them is 0; `choices` are then the
    best of what is left.

    Args:
        ranks: int `[slates, items]`, 0-based place that the policy gives to the item logged at each position.
        mask: bool `[slates, items]`, true where an item was logged, without gaps.
        positions: how many of the logged positions are judged, at most `items`.
        epsilon: in [0, 1].
        movable: int `[slates]`, how many of the first items of the policy's order an even draw orders anew, for
            instance those that pass a gate; the others stay where they are. None: all.
    """
    width = mask.shape[1]
    at, place = np.arange(positions), np.arange(width)
    moved = mask.sum(axis=1) if movable is None else np.asarray(movable)
    inside = mask[:, :positions]
    slates = np.arange(len(mask))
    placed = np.where(inside, ranks[:, :positions] == at, True)
    follows = np.logical_and.accumulate(placed, axis=1)
    on_path = np.concatenate([np.ones((len(mask), 1), bool), follows[:, :-1]], axis=1)
    # The even draw: each movable item that is left, then what never moves.
    even = np.zeros((len(mask), positions, width))
    greedy = np.zeros_like(even)
    for k in range(positions):
        remaining = mask & (place >= k)
        best = np.argmin(np.where(remaining, ranks, np.iinfo(np.int64).max), axis=1)
        greedy[slates, k, best] = 1.0
        drawn = remaining & (ranks < moved[:, None])
        even[:, k] = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1)
        even[slates, k, best] += ~drawn.any(axis=1)
    reached = ratios_before(np.cumprod(np.where(inside, even[:, at, at], 1.0), axis=1))
    # How likely it is, after these items above, that the policy is showing its one order.
    below = 1.0 - epsilon + epsilon * reached
    certain = np.where(on_path, (1.0 - epsilon) / np.where(below > 0, below, 1.0), 0.0 if epsilon else 1.0)
    choices = certain[:, :, None] * greedy + (1.0 - certain)[:, :, None] * even
    steps = np.where(inside, np.where(on_path | (epsilon > 0), choices[:, at, at], 0.0), 1.0)
    spread = np.where(
        (ranks[:, :positions] < moved[:, None]) & (at < moved[:, None]), 1.0 / np.maximum(moved, 1)[:, None], placed
    )
    marginals = np.where(inside, (1.0 - epsilon) * placed + epsilon * spread, 1.0)
    return OrderTarget(steps, marginals, np.where(inside[:, :, None], choices, 0.0))


def drawn_target(logits: NDArray[np.floating], mask: NDArray[np.bool_], positions: int) -> OrderTarget:
    """The Plackett-Luce policy, which draws what is left in proportion to `exp(logits)`; its marginals are not told.

    Args:
        logits: float `[slates, items]` of the item logged at each position.
        mask, positions: as in `ordered_target`.
    """
    hidden = np.where(mask, logits, -np.inf)
    weights = np.exp(hidden - np.where(mask.any(axis=1), hidden.max(axis=1, initial=-np.inf), 0.0)[:, None])
    inside = mask[:, :positions]
    choices = np.zeros((len(mask), positions, mask.shape[1]))
    for k in range(positions):
        remaining = np.where(np.arange(mask.shape[1]) >= k, weights, 0.0)
        choices[:, k] = remaining / np.maximum(remaining.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    at = np.arange(positions)
    steps = np.where(inside, choices[:, at, at], 1.0)
    return OrderTarget(steps, None, np.where(inside[:, :, None], choices, 0.0))
