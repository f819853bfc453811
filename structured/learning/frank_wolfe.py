"""Block-coordinate Frank-Wolfe on the dual of the regularised structured hinge.

Lacoste-Julien, Jaggi, Schmidt and Pletscher, "Block-coordinate Frank-Wolfe optimization for structural SVMs" (ICML
2013), for any strongly convex regulariser: the primal point is the gradient of its conjugate. Violators are kept
and steps are pairwise, from a row's worst kept one to its best (Osokin et al., "Minding the gaps for block
Frank-Wolfe optimization of structured SVMs", ICML 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structured.learning.objective import structured_hinge
from structured.learning.oracle import Oracle, Violators
from structured.learning.problem import LabelingProblem
from structured.learning.regulariser import Regulariser
from structured.learning.weights import Weights

# Memory for kept violators.
POINT_BYTES = 1 << 29


@dataclass(frozen=True)
class Solution:
    """Where training ended.

    Attributes:
        weights: the best weights seen.
        primal: hinge plus regulariser at them.
        gap: `primal` minus the best dual value seen: no weights are better by more than this.
        passes: over the rows with the oracle.
    """

    weights: Weights
    primal: float
    gap: float
    passes: int


class FrankWolfe:
    """The dual state of one problem; it stays valid, and so warm, when the regulariser changes.

    Row m holds a distribution over a few kept violators, at first all on its true labels. With
    `z = mean(phi(x_m, y_m) - E_m phi)`, the dual is `mean(E_m loss) - Omega*(z)` and `w` the gradient of Omega*
    at z.

    Args:
        problem: what to learn.
        rng: order of the rows.
        batch_size: rows whose violators are found at once, with the same weights.
        kept: most violators a row; when they are full, the two of least share become one. Fewer where memory
            would not hold them.
        cached_passes: passes over the kept violators after each pass with the oracle, three times as many where
            the oracle relaxes, which takes far longer than a step.
    """

    def __init__(
        self,
        problem: LabelingProblem,
        rng: np.random.Generator,
        batch_size: int = 32,
        kept: int = 10,
        cached_passes: int = 5,
    ) -> None:
        self.problem, self.rng = problem, rng
        self.batch_size, self.cached_passes = batch_size, cached_passes
        truth = problem.space.coordinates(problem.labels)
        flat = np.concatenate([truth.reshape(len(problem), -1), _flat_pairs(problem.pair_coordinates(truth))], axis=1)
        self.unary_width = truth[0].size
        kept = int(np.clip(POINT_BYTES // (8 * flat.size), 3, kept))
        self.points = np.zeros((len(problem), kept, flat.shape[1]))
        self.points[:, 0] = flat
        self.losses = np.zeros((len(problem), kept))
        self.shares = np.zeros((len(problem), kept))
        self.shares[:, 0] = 1
        self.used = np.ones(len(problem), np.int64)
        self.shape = problem.no_weights()
        self.unary_sum = np.zeros((problem.design.width, self.unary_width))
        self.pair_sum = np.zeros((len(self.shape.pair), flat.shape[1] - self.unary_width))

    def weights(self, regulariser: Regulariser) -> Weights:
        """The primal point of this dual state."""
        return Weights(
            (self.unary_sum / regulariser.ridge).reshape(self.shape.unary.shape),
            regulariser.pair_weights(self.pair_sum.reshape(self.shape.pair.shape)),
        )

    def dual(self, regulariser: Regulariser) -> float:
        """The dual's value, a lower bound of every primal value."""
        weights = self.weights(regulariser)
        aligned = float((weights.pair.ravel() * self.pair_sum.ravel()).sum())
        aligned += float((weights.unary.ravel() * self.unary_sum.ravel()).sum())
        return float((self.shares * self.losses).sum(axis=1).mean()) - (aligned - regulariser.value(weights))

    def solve(
        self, oracle: Oracle, regulariser: Regulariser, passes: int, tolerance: float, start: Weights | None = None
    ) -> Solution:
        """Improve the dual until the gap is small against the primal value.

        Args:
            oracle: of the same problem.
            regulariser: of this round.
            passes: most passes over the rows with the oracle.
            tolerance: stops at `gap <= tolerance * primal`.
            start: weights that the result's primal value must not exceed.
        """
        best = self._measured(oracle, regulariser, self.weights(regulariser), 0)
        if start is not None:
            best = _better(best, self._measured(oracle, regulariser, start, 0))
        check = 1
        for done in range(1, passes + 1):
            order = self.rng.permutation(len(self.problem))
            for rows in np.array_split(order, -(-len(order) // self.batch_size)):
                found = oracle(self.weights(regulariser), rows)
                self._keep(rows, found)
                self._advance(rows, regulariser)
            exact = oracle.kind(self.weights(regulariser)) in ("forest", "enumeration")
            for _ in range(self.cached_passes * (1 if exact else 3)):
                self._advance(self.rng.permutation(len(self.problem)), regulariser)
            if done >= check or done == passes:
                check = done + max(1, done // 4)
                best = _better(best, self._measured(oracle, regulariser, self.weights(regulariser), done))
                if best.gap <= tolerance * best.primal:
                    break
        return best

    def _measured(self, oracle: Oracle, regulariser: Regulariser, weights: Weights, passes: int) -> Solution:
        primal = structured_hinge(oracle, weights) + regulariser.value(weights)
        return Solution(weights, primal, primal - self.dual(regulariser), passes)

    def _keep(self, rows: NDArray[np.int64], found: Violators) -> None:
        """Store each row's new violator, in a place of share 0 or one won by merging two."""
        points = np.concatenate([found.unary.reshape(len(rows), -1), _flat_pairs(found.pair)], axis=1)
        for row, point, loss in zip(rows, points, found.loss, strict=True):
            used = self.used[row]
            if used < self.points.shape[1]:
                place = used
                self.used[row] += 1
            else:
                shares = self.shares[row]
                place, other = np.argsort(shares)[:2]
                if shares[place] > 0:
                    total = shares[place] + shares[other]
                    part = shares[place] / total
                    self.points[row, other] += part * (self.points[row, place] - self.points[row, other])
                    self.losses[row, other] += part * (self.losses[row, place] - self.losses[row, other])
                    shares[other], shares[place] = total, 0
            self.points[row, place], self.losses[row, place] = point, loss

    def _advance(self, rows: NDArray[np.int64], regulariser: Regulariser) -> None:
        """Shift each row's share from its worst kept violator to its best, by the best step along that line.

        The dual falls short of its tangent by at most `||direction||^2 / (2 lambda)`, the conjugate's smoothness;
        the step maximises that lower bound, so that no step lowers the dual.
        """
        problem, count, ridge, width = self.problem, len(self.problem), regulariser.ridge, self.unary_width
        shape = self.shape.pair.shape
        for row in rows:
            used = self.used[row]
            points, losses, shares = self.points[row, :used], self.losses[row, :used], self.shares[row, :used]
            where, features = problem.design.row(row)
            scales = problem.pair_features[row]
            scores = np.concatenate(
                [
                    features @ self.unary_sum[where] / ridge,
                    scales @ regulariser.pair_weights(self.pair_sum.reshape(shape)).reshape(self.pair_sum.shape),
                ]
            )
            values = losses + points @ scores
            best, worst = values.argmax(), np.where(shares > 0, values, np.inf).argmin()
            slope = values[best] - values[worst]
            towards = points[best] - points[worst]
            unary, pair = towards[:width], towards[width:]
            length = problem.design.squared_norms[row] * (unary @ unary) + (scales @ scales) * (pair @ pair)
            if slope <= 0 or length == 0:
                continue
            step = min(shares[worst], ridge * count * slope / length)
            shares[best] += step
            shares[worst] -= step
            self.unary_sum[where] -= (step / count) * features[:, None] * unary
            self.pair_sum -= (step / count) * scales[:, None] * pair


def _better(first: Solution, second: Solution) -> Solution:
    """The weights of lower primal value, with the gap to the higher of both dual values."""
    dual = max(first.primal - first.gap, second.primal - second.gap)
    better = min(first, second, key=lambda solution: solution.primal)
    return Solution(better.weights, better.primal, better.primal - dual, second.passes)


def _flat_pairs(pair: NDArray[np.float64]) -> NDArray[np.float64]:
    return pair.reshape(len(pair), pair.shape[1] * pair.shape[2])
