"""Coverage: each group of examples passes its own share, by a threshold of its own."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from ranking.rate_constraints.surrogates import Surrogate, check_surrogate, error_costs, spread, weighted_mean
from seriatim_errors import TrainingError


@dataclass(frozen=True)
class Coverage:
    """Best separation while each group passes its own share, each by its own threshold.

    Attributes:
        shares: share of group g that passes; groups are numbered from 0.
        surrogate: of an error's count, see `RateObjective`.
    """

    shares: tuple[float, ...]
    surrogate: Surrogate = "sigmoid"

    def __post_init__(self) -> None:
        check_surrogate(self.surrogate)
        if not self.shares:
            raise TrainingError("shares is empty; give one share a group")
        for share in self.shares:
            if not 0 < share < 1:
                raise TrainingError(f"shares holds {share}; give shares between 0 and 1")

    @property
    def rates(self) -> tuple[float, ...]:
        """One share a group."""
        return self.shares

    def subsets(self, labels: tf.Tensor, groups: tf.Tensor | None) -> tf.Tensor:
        """The members of each group."""
        return tf.cast(tf.equal(self._known(groups)[..., None, :], tf.range(len(self.shares))[:, None]), labels.dtype)

    def loss_at(
        self,
        scores: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        thresholds: tf.Tensor,
        groups: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Mean surrogate of `(1 - 2 y) (f - b)` over all, b the threshold of an example's group."""
        own = tf.reduce_sum(self.subsets(labels, groups) * thresholds[..., None], axis=-2)
        above = scores - own
        costs = error_costs(self.surrogate, (1 - 2 * labels) * above, spread(above, weights)[..., None])
        return weighted_mean(costs, weights)

    def _known(self, groups: tf.Tensor | None) -> tf.Tensor:
        if groups is None:
            raise TrainingError("coverage needs groups: give the group (0, 1, ...) of every example")
        return tf.cast(groups, tf.int32)
