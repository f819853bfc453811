"""The convex regulariser of one CCCP round, its minimising weights, and its proximal step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.learning.weights import Weights


@dataclass(frozen=True)
class Regulariser:
    """`(ridge / 2) ||w||^2 + weight (sum_ij ||w_ij|| - sum_ij v_ij . w_ij)`: CRANK with its concave part linearised.

    It is strongly convex, so its conjugate is smooth and Frank-Wolfe runs on the dual with no majorisation of the
    norms: the weights are a soft threshold of the dual's sum, with exact zeros.

    Attributes:
        ridge: lambda, > 0.
        weight: beta, >= 0.
        direction: `v`, float64 `[f, E, (K - 1)^2]`: `w_ij / ||w_ij||` on the spanning tree, 0 elsewhere.
    """

    ridge: float
    weight: float
    direction: NDArray[np.float64]

    @classmethod
    def ridge_only(cls, ridge: float, weights: Weights) -> Regulariser:
        """Without the pairwise part, for weights of this shape: an ordinary structural SVM."""
        return cls(ridge, 0.0, np.zeros_like(weights.pair))

    def value(self, weights: Weights) -> float:
        """The regulariser at `weights`."""
        linear = float((self.direction * weights.pair).sum())
        return 0.5 * self.ridge * weights.squared_norm() + self.weight * (float(weights.group_norms().sum()) - linear)

    def pair_weights(self, moment: NDArray[np.float64]) -> NDArray[np.float64]:
        """The pair weights that maximise `moment . w - value(w)`, for `moment` `[f, E, (K - 1)^2]`.

        `w_ij = u max(0, 1 - beta / ||u||) / lambda` with `u = moment_ij + beta v_ij`: the conjugate's gradient.
        """
        if self.weight == 0:
            return moment / self.ridge
        return _shrunk(moment + self.weight * self.direction, self.weight) / self.ridge

    def prox(self, pair: NDArray[np.float64], step: float) -> NDArray[np.float64]:
        """Minimise `||p - pair||^2 / 2 + step beta (sum ||p_ij|| - sum v_ij . p_ij)` over `p`.

        With `u = pair_ij + step beta v_ij`: `p_ij = u max(0, 1 - step beta / ||u||)`; zero if and only if
        `||u|| <= step beta`.
        """
        return _shrunk(pair + step * self.weight * self.direction, step * self.weight)


def _shrunk(groups: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
    """Each edge's group made shorter by `amount`, or zero where it is not longer than that."""
    if amount == 0:
        return groups
    if groups.shape[0] == groups.shape[2] == 1:
        return groups - np.maximum(np.minimum(groups, amount), -amount)
    norms = np.sqrt((groups**2).sum(axis=(0, 2)))
    factor = np.where(norms > amount, 1 - amount / np.where(norms > amount, norms, 1), 0.0)
    return groups * factor[:, None]
