"""How likely a logger that draws item by item was to show the same items in another order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.off_policy.arrival_marginals import arrival_marginals

# There are two to this power of sets to go through.
MAX_DRAWN = 10
SLATES_AT_ONCE = 1024
# Single precision, and whoever subtracts probabilities, may miss 1 by as much.
CERTAIN = 1.0 - 1e-6
LEAST_LEFT = 1e-7


@dataclass(frozen=True)
class SetOrders:
    """The order of each slate's items as a draw of its own, given which items they are.

    Attributes:
        steps: float64 `[slates, positions]` in (0, 1], probability of the item given the items above it and the set
            that all of them make; nan in slates that are not `known`. 1 outside the mask.
        marginals: float64 of the same shape, probability of the item at its position given the set; nan likewise.
        complete: bool `[slates]`, the slate holds all that there was to draw, or nothing was drawn.
        known: bool `[slates]`, whether `steps` could be told.
        marginals_known: bool `[slates]`, whether `marginals` could.
    """

    steps: NDArray[np.float64]
    marginals: NDArray[np.float64]
    complete: NDArray[np.bool_]
    known: NDArray[np.bool_]
    marginals_known: NDArray[np.bool_]


def drawn_orders(
    step_propensities: NDArray[np.floating],
    mask: NDArray[np.bool_],
    plackett_luce: bool = False,
    positions: int | None = None,
) -> SetOrders:
    """What step propensities tell about the orders of the items that were shown.

    A slate is complete where its last free choice had a probability of 1: nothing else was left. Its step
    propensities are then already those given the set. Of an incomplete slate only a Plackett-Luce logger tells them:
    one that draws in proportion to weights which stay the same whatever stands above. Its weights follow from its
    steps, `w_k = p_k prod_{j<k} (1 - p_j)`, the rest `prod_k (1 - p_k)` being the weight of what was not shown, and
    the probability of every order of the set from the weights. So do the marginals, complete or not.

    Args:
        step_propensities: float `[slates, positions]` in (0, 1], `pi_b(a_k | x, a_<k)`. Items behind the last free
            choice have 1: the logger does not move them.
        mask: bool `[slates, positions]`, true where an item was shown, without gaps.
        plackett_luce: whether the logger is one. Incomplete slates with more than `MAX_DRAWN` free choices, or too
            unlikely for floating point, are not known even then.
        positions: how many of the first positions are asked for, >= 1; the marginals of longer slates behind them
            are nan. None: all.

    Source: Plackett, "The analysis of permutations", 1975; sums over orders by sets, as Held and Karp's.
    """
    given = np.where(mask, step_propensities, 1.0).astype(np.float64)
    drawn = _free_choices(given, mask)
    slates = np.arange(len(given))
    fixed = drawn == 0
    complete = fixed | (given[slates, np.maximum(drawn - 1, 0)] >= CERTAIN)
    steps = np.where(complete[:, None], given, np.nan)
    marginals = np.where(fixed[:, None], 1.0, np.full(given.shape, np.nan))
    known, marginals_known = complete.copy(), fixed.copy()
    if plackett_luce:
        for count in range(1, MAX_DRAWN + 1):
            chosen = np.flatnonzero(drawn == count)
            for start in range(0, len(chosen), SLATES_AT_ONCE):
                rows = chosen[start : start + SLATES_AT_ONCE]
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    found = _over_sets(given[rows, :count], complete[rows])
                for result, part in zip((steps, marginals), found, strict=True):
                    result[rows] = 1.0
                    result[rows, :count] = part
            # Propensities whose products are no numbers tell nothing.
            known[chosen] = np.isfinite(steps[chosen]).all(axis=1)
            marginals_known[chosen] = np.isfinite(marginals[chosen]).all(axis=1)
        long = np.flatnonzero((drawn > MAX_DRAWN) & complete)
        for count in np.unique(drawn[long]):
            rows = long[drawn[long] == count]
            asked = min(int(count), given.shape[1] if positions is None else positions)
            marginals[rows, count:] = 1.0
            placed = arrival_marginals(_weights(given[rows, :count])[0], asked)
            marginals[rows, :asked] = np.clip(placed, np.finfo(float).tiny, 1.0)
        marginals_known[long] = True
    return SetOrders(steps, marginals, complete, known, marginals_known)


def _free_choices(given: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places down to the last choice below 1 and, where one follows, the forced one of what was left."""
    positions = given.shape[1]
    below = given < CERTAIN
    last = np.where(below.any(axis=1), positions - np.argmax(below[:, ::-1], axis=1), 0)
    return np.where(last > 0, np.minimum(last + 1, mask.sum(axis=1)), 0)


def _weights(steps: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the drawn items `[slates, drawn]`, and `[slates]` of what was not drawn; all of them add to 1."""
    left = np.concatenate([np.ones((len(steps), 1)), np.cumprod(np.maximum(1.0 - steps, LEAST_LEFT), axis=1)], axis=1)
    return steps * left[:, :-1], left[:, -1]


def _over_sets(
    steps: NDArray[np.float64], complete: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and marginals given the set, `[slates, drawn]` each, by sums over all sets of the drawn places.

    A set is a number whose bit k says whether the item of place k is in it.
    """
    slates, count = steps.shape
    weights, unshown = _weights(steps)
    rest = np.where(complete, 0.0, unshown)
    everything = (1 << count) - 1
    # Weight of what stands in no slate yet, a set at a time; summed, for a difference would lose the small ones.
    outside = np.empty((everything + 1, slates))
    outside[everything] = rest
    for number in range(everything - 1, -1, -1):
        place = (~number & (number + 1)).bit_length() - 1
        outside[number] = outside[number | 1 << place] + weights[:, place]
    ahead, onward = np.zeros_like(outside), np.zeros_like(outside)
    ahead[0], onward[everything] = 1.0, 1.0
    for number in range(1, everything + 1):
        for place in _members(number):
            before = number & ~(1 << place)
            ahead[number] += ahead[before] * weights[:, place] / outside[before]
    for number in range(everything - 1, -1, -1):
        for place in _members(everything & ~number):
            onward[number] += weights[:, place] / outside[number] * onward[number | 1 << place]
    given_set, marginals = np.empty_like(steps), np.zeros_like(steps)
    for place in range(count):
        prefix = (1 << place) - 1
        choice = weights[:, place] / outside[prefix]
        given_set[:, place] = choice * onward[prefix | 1 << place] / onward[prefix]
    for number in range(everything + 1):
        place = number.bit_count()
        if place < count and not number >> place & 1:
            through = ahead[number] * weights[:, place] / outside[number] * onward[number | 1 << place]
            marginals[:, place] += through / onward[0]
    return np.clip(given_set, np.finfo(float).tiny, 1.0), np.clip(marginals, np.finfo(float).tiny, 1.0)


def _members(number: int) -> list[int]:
    return [place for place in range(number.bit_length()) if number >> place & 1]
