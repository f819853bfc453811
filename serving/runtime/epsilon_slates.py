"""Epsilon exploration over whole slates, with exact propensities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def drawn_slate(
    greedy: NDArray[np.int64], candidates: int, epsilon: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """With probability `epsilon` a slate drawn uniformly from all ordered selections, else the greedy one.

    Args:
        greedy: int64 `[places]`, the best slate: different numbers below `candidates`.
        candidates: how many there are, at least as many as places.
        epsilon: 0 to 1.
        rng: draws.
    """
    if rng.random() < epsilon:
        return rng.permutation(candidates)[: len(greedy)]
    return greedy


def step_probabilities(
    slate: NDArray[np.int64], greedy: NDArray[np.int64], candidates: int, epsilon: float
) -> NDArray[np.float64]:
    """Probability of each place's choice given the places before it, under `drawn_slate`.

    A slate's first `t` places come about with probability `(1 - epsilon) [they are the greedy] + epsilon / P(n, t)`
    (`P(n, t)` counts ordered selections); a step's probability is the ratio of two such. The product of all steps is
    the slate's propensity.

    Returns:
        float64 `[places]`, in (0, 1].
    """
    uniform = 1 / (candidates - np.arange(len(slate), dtype=np.float64))
    follows = np.logical_and.accumulate(slate == greedy)
    selections = np.cumprod(uniform)
    reached = (1 - epsilon) * follows + epsilon * selections
    before = np.concatenate([[1.0], reached[:-1]])
    # Off the greedy path only the uniform draw goes on; on it the share of the uniform draw may be too small to count.
    on_path = np.concatenate([[True], follows[:-1]]) & (epsilon < 1)
    return np.divide(reached, before, out=uniform.copy(), where=on_path & (before > 0))
