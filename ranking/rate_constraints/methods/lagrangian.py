"""The Lagrangian method: thresholds are variables, multipliers push their rates to where they should be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.rate_constraints.methods.method import Batch
from ranking.rate_constraints.methods.rates import in_spreads, pass_rates, smooth_rates
from ranking.rate_constraints.objectives import Objective
from ranking.rate_constraints.surrogates import SHARPNESS


class Lagrangian:
    """Descends on `loss + multiplier (c - smooth rate)`; multipliers ascend on the true rate's violation.

    The two players see different rates because only a smooth one has a gradient while only the true one is
    what was promised (proxy Lagrangian; Cotter, Jiang and Sridharan, ALT 2019). Multipliers have either
    sign, for the rate is to be met from both sides.

    Args:
        objective: what is pinned and what is lost.
        dual_rate: step of the multipliers.
    """

    reset_every = 0
    descends_on_objective = False

    def __init__(self, objective: Objective, dual_rate: float = 0.05) -> None:
        self.objective, self.dual_rate = objective, dual_rate
        self.rates = tf.constant(objective.rates, tf.float32)
        self.thresholds = tf.Variable(tf.zeros(len(objective.rates)))
        self.multipliers = tf.Variable(tf.zeros(len(objective.rates)))
        self.variables = [self.thresholds]
        self.state = [self.multipliers]

    def start(self, thresholds: NDArray[np.float64]) -> None:
        """Set the threshold variables once, after the warm start."""
        self.thresholds.assign(thresholds.astype(np.float32))

    def loss(self, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The proxy Lagrangian."""
        loss = self.objective.loss_at(scores, batch.labels, batch.weights, self.thresholds, batch.groups)
        sharpness = in_spreads(SHARPNESS, scores, batch)
        shortfall = self.rates - smooth_rates(self.objective, scores, batch, self.thresholds, sharpness)
        return loss + tf.reduce_sum(tf.stop_gradient(self.multipliers) * shortfall)

    def after_step(self, scores: tf.Tensor, batch: Batch, rescore: Callable[[], tf.Tensor]) -> None:
        """One ascent step of the multipliers."""
        shortfall = self.rates - pass_rates(self.objective, scores, batch, self.thresholds)
        self.multipliers.assign_add(self.dual_rate * shortfall)
