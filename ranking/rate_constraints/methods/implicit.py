"""The implicit method: thresholds move with the scores as the implicit function theorem says they must."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranking.rate_constraints.methods.method import Batch
from ranking.rate_constraints.methods.rates import in_spreads, smooth_rates
from ranking.rate_constraints.objectives import Objective
from ranking.rate_constraints.surrogates import SHARPNESS

# The least slope of a rate in its threshold; below it the division would blow the step up.
LEAST_SLOPE = 1e-5


class Implicit:
    """Descends along `grad f + (df/db) db/dw` with `db/dw = -(dg/dw) / (dg/db)`, for a smooth rate g.

    Between resets to the exact thresholds each one moves with the step, to first order.

    Args:
        objective: what is pinned and what is lost.
        sharpness: of the sigmoid in the smooth rate, in units of the scores' spread.
        reset_every: steps between resets to the exact thresholds.

    Source: Kumar, Narasimhan and Cotter, "Implicit rate-constrained optimization of non-decomposable
    objectives" (ICML 2021).
    """

    descends_on_objective = False

    def __init__(self, objective: Objective, sharpness: float = SHARPNESS, reset_every: int = 10) -> None:
        self.objective, self.sharpness, self.reset_every = objective, sharpness, reset_every
        self.thresholds = tf.Variable(tf.zeros(len(objective.rates)), trainable=False)
        self.variables: list[tf.Variable] = []
        self.state = [self.thresholds]

    def start(self, thresholds: NDArray[np.float64]) -> None:
        """Reset to the exact thresholds."""
        self.thresholds.assign(thresholds.astype(np.float32))

    def loss(self, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The objective at the kept thresholds, with their implicit gradient."""
        return self.objective.loss_at(scores, batch.labels, batch.weights, self.live(scores, batch), batch.groups)

    def live(self, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The kept thresholds in value, `-(dg/dw) / (dg/db)` in gradient; float32 `[thresholds]`."""
        kept = tf.stop_gradient(self.thresholds)
        sharpness = in_spreads(self.sharpness, scores, batch)
        rates = smooth_rates(self.objective, scores, batch, kept, sharpness)
        return kept + (rates - tf.stop_gradient(rates)) / self._slopes(scores, batch, sharpness)

    def after_step(self, scores: tf.Tensor, batch: Batch, rescore: Callable[[], tf.Tensor]) -> None:
        """Move each threshold by `<db/dw, step>`, to first order the rate's change over its slope."""
        sharpness = in_spreads(self.sharpness, scores, batch)
        before = smooth_rates(self.objective, scores, batch, self.thresholds, sharpness)
        after = smooth_rates(self.objective, rescore(), batch, self.thresholds, sharpness)
        self.thresholds.assign_add((after - before) / self._slopes(scores, batch, sharpness))

    def _slopes(self, scores: tf.Tensor, batch: Batch, sharpness: tf.Tensor) -> tf.Tensor:
        """`-dg/db` at the kept thresholds, positive: a higher threshold passes less."""
        kept = tf.convert_to_tensor(self.thresholds)
        with tf.GradientTape() as tape:
            tape.watch(kept)
            rates = smooth_rates(self.objective, tf.stop_gradient(scores), batch, kept, sharpness)
        # Each rate depends on its own threshold alone, so the gradient of the sum is the slope of each.
        return tf.stop_gradient(tf.maximum(-tape.gradient(rates, kept), LEAST_SLOPE))
