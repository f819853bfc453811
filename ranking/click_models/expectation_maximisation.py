"""Expectation maximisation with steps of variable length, whose likelihood never falls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import TrainingError

Vector = NDArray[np.float64]
# Probabilities come no nearer to 0 and 1 than this, so that their log odds are finite.
EDGE = 1e-12


def maximised(
    start: Vector,
    step: Callable[[Vector], Vector],
    log_likelihood: Callable[[Vector], float],
    tolerance: float,
    max_steps: int,
) -> tuple[Vector, tuple[float, ...]]:
    """Iterate `step` to its fixed point by squared extrapolation (SQUAREM).

    Two steps of expectation maximisation give a direction and a length; the extrapolated point is taken when it
    is at least as likely as the second step, else the second step itself. Where clicks are rare, plain
    steps would need tens of thousands of rounds.

    Args:
        start: float `[parameters]`, unconstrained.
        step: one step of expectation maximisation.
        log_likelihood: of the observed clicks, in nats.
        tolerance: stop when a round gains no more nats than this.
        max_steps: rounds.

    Returns:
        The parameters, and the log-likelihood before the first round and after each one.

    Raises:
        TrainingError: still gaining after `max_steps` rounds.

    Source: Varadhan and Roland, Scandinavian Journal of Statistics 2008, scheme S3.
    """
    now, trace = start, [log_likelihood(start)]
    for _ in range(max_steps):
        first = step(now)
        second = step(first)
        change, bend = first - now, second - 2 * first + now
        found, reached = second, log_likelihood(second)
        if np.abs(bend).max(initial=0.0) > EDGE:
            length = max(1.0, float(np.linalg.norm(change) / np.linalg.norm(bend)))
            far = step(now + 2 * length * change + length**2 * bend)
            likelihood = log_likelihood(far)
            if likelihood >= reached:
                found, reached = far, likelihood
        now = found
        trace.append(reached)
        if trace[-1] - trace[-2] <= tolerance:
            return now, tuple(trace)
    raise TrainingError(
        f"expectation maximisation still gains {trace[-1] - trace[-2]:.3g} nats a round after {max_steps}; "
        "give more rounds or a larger tolerance"
    )


def log_odds(probability: Vector) -> Vector:
    """`log(p / (1 - p))`, finite also for 0 and 1."""
    inside = np.clip(probability, EDGE, 1.0 - EDGE)
    return np.log(inside) - np.log1p(-inside)


def probability_of(odds: Vector) -> Vector:
    """The probabilities of `log_odds`, in (0, 1)."""
    return np.clip(0.5 * (1.0 + np.tanh(0.5 * odds)), EDGE, 1.0 - EDGE)
