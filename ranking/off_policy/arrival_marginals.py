"""Where an item stands in a long Plackett-Luce order, by the times at which items would arrive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# In the logarithm of time, in which the integrand is smooth and falls off on both sides.
STEP, EARLIEST, LATEST = 0.25, 1e-9, 40.0
VALUES_AT_ONCE, SMALLEST_SHARE = 1 << 22, 1e-15


def arrival_marginals(weights: NDArray[np.float64], positions: int) -> NDArray[np.float64]:
    """Probability of each of the first items at the position where it stands, when all of them are drawn.

    Items that arrive after times `T ~ Exp(w)`, independently, arrive in a Plackett-Luce order. An item is at position
    k when k - 1 of the others have arrived before it, a sum of independent events whose probabilities are integrated
    over its own time by the trapezoidal rule.

    Args:
        weights: float64 `[lists, items]`, >= 0, in the order of the list; items of weight 0 are none.
        positions: how many of the first items, whose weights are above 0, are asked for.

    Returns:
        float64 `[lists, positions]`.

    Source: Yellott, "The relationship between Luce's choice axiom, Thurstone's theory of comparative judgment, and
    the double exponential distribution", 1977 (arrival times).
    """
    lists, items = weights.shape
    found = np.zeros((lists, positions))
    total = weights.sum(axis=1)
    # The longest grid that any of the lists needs, up to weights that hardly ever stand where they are.
    least = np.maximum(weights[:, :positions].min(axis=1), SMALLEST_SHARE * total)
    span = float(np.log(LATEST / EARLIEST * (total / least).max(initial=1.0)))
    nodes = np.arange(int(np.ceil(span / STEP)) + 1) * STEP
    at_once = max(1, VALUES_AT_ONCE // (len(nodes) * positions))
    for start in range(0, lists, at_once):
        rows = slice(start, start + at_once)
        part = weights[rows]
        times = np.exp(nodes) * (EARLIEST / total[rows])[:, None]
        for place in range(positions):
            own = part[:, place, None]
            # Probability that as many others as stand above have arrived, by number of arrivals up to that.
            counts = np.zeros((place + 1, *times.shape))
            counts[0] = 1.0
            for other in range(items):
                if other == place:
                    continue
                arrived = -np.expm1(-part[:, other, None] * times)
                counts[1:] = counts[1:] * (1.0 - arrived) + counts[:-1] * arrived
                counts[0] *= 1.0 - arrived
            found[rows, place] = STEP * (own * times * np.exp(-own * times) * counts[place]).sum(axis=1)
    return found
