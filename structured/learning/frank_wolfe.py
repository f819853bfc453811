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

from seriatim_errors import TrainingError
from structured.learning.objective import structured_hinge
from structured.learning.oracle import Oracle, Violators
from structured.learning.problem import LabelingProblem
from structured.learning.regulariser import Regulariser
from structured.learning.weights import Weights

# Memory for kept violators, unless so many rows have so many edges that even the fewest need more.
POINT_BYTES, MOST_BYTES = 1 << 29, 1 << 33
FEWEST_KEPT = 3


# A pass asks the oracle for rows whose last gap was at least this share of the mean; every third pass, for all.
WORTH_ASKING = 0.1
ALL_EVERY = 3


@dataclass(frozen=True)
class Solution:
    """Where training ended.

    Attributes:
        weights: the best weights seen.
        hinge: of them, by an upper bound where the oracle relaxes.
        primal: hinge plus regulariser.
        gap: `primal` minus the best dual value seen: no weights are better by more than this.
        passes: over the rows with the oracle.
    """

    weights: Weights
    hinge: float
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

    Raises:
        TrainingError: the violators need more than 8 GiB.
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
        kept = int(np.clip(POINT_BYTES // (8 * flat.size), FEWEST_KEPT, kept))
        if 8 * flat.size * kept > MOST_BYTES:
            raise TrainingError(
                f"{len(problem)} rows with {len(problem.edges)} pairs of labels need {8 * flat.size * kept >> 30} GiB; "
                "train on fewer rows, or with fewer pairs (CRANKClassifier's candidates)"
            )
        self.points = np.zeros((len(problem), kept, flat.shape[1]))
        self.points[:, 0] = flat
        self.losses = np.zeros((len(problem), kept))
        self.shares = np.zeros((len(problem), kept))
        self.shares[:, 0] = 1
        self.used = np.ones(len(problem), np.int64)
        self.gaps = np.full(len(problem), np.inf)
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
        self,
        oracle: Oracle,
        regulariser: Regulariser,
        passes: int,
        tolerance: float,
        start: tuple[Weights, float] | None = None,
    ) -> Solution:
        """Improve the dual until the gap is small against the primal value.

        Args:
            oracle: of the same problem.
            regulariser: of this round.
            passes: most passes over the rows with the oracle.
            tolerance: stops at `gap <= tolerance * primal`.
            start: weights with their hinge, whose primal value the result's does not exceed; None: those of the
                dual state.
        """
        if start is None:
            weights = self.weights(regulariser)
            start = weights, structured_hinge(oracle, weights)
        best = self._solution(*start, regulariser, 0)
        self.gaps[:] = np.inf
        check = 1
        for done in range(1, passes + 1):
            everyone = done % ALL_EVERY == 1
            asked = everyone | (self.gaps >= WORTH_ASKING * self.gaps.mean())
            order = self.rng.permutation(np.flatnonzero(asked))
            for rows in np.array_split(order, -(-len(order) // self.batch_size)):
                self._keep(rows, oracle(self.weights(regulariser), rows))
                self.gaps[rows] = self._advance(rows, regulariser)
            promising = self.gaps.mean() <= tolerance * best.primal
            exact = oracle.kind(self.weights(regulariser)) in ("forest", "enumeration")
            self._polish(regulariser, self.cached_passes * (1 if exact else 3))
            if promising or done >= check or done == passes:
                check = done + max(1, done // 2)
                weights = self.weights(regulariser)
                best = _better(best, self._solution(weights, structured_hinge(oracle, weights), regulariser, done))
                if best.gap <= tolerance * best.primal:
                    break
        return best

    def _polish(self, regulariser: Regulariser, passes: int) -> None:
        """Pass over the kept violators, leaving out rows that had little to win the last time."""
        gaps = np.full(len(self.problem), np.inf)
        for _ in range(passes):
            rows = self.rng.permutation(np.flatnonzero(gaps >= WORTH_ASKING * gaps.mean()))
            gaps[rows] = self._advance(rows, regulariser)

    def _solution(self, weights: Weights, hinge: float, regulariser: Regulariser, passes: int) -> Solution:
        primal = hinge + regulariser.value(weights)
        return Solution(weights, hinge, primal, primal - self.dual(regulariser), passes)

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

    def _advance(self, rows: NDArray[np.int64], regulariser: Regulariser) -> NDArray[np.float64]:
        """Shift each row's share from its worst kept violator to its best, by the best step along that line.

        Returns each row's gap before its step: what its best violator is worth above its mixture, float64 `[rows]`.

        The dual falls short of its tangent by at most `||direction||^2 / (2 lambda)`, the conjugate's smoothness;
        the step maximises that lower bound, so that no step lowers the dual.
        """
        problem, count, ridge, width = self.problem, len(self.problem), regulariser.ridge, self.unary_width
        pair_sum = self.pair_sum.reshape(self.shape.pair.shape)
        gaps = np.zeros(len(rows))
        for place, (row, used) in enumerate(zip(rows.tolist(), self.used[rows].tolist(), strict=True)):
            # A row with its true labels alone has nowhere to go.
            if used == 1:
                continue
            points, losses, shares = self.points[row, :used], self.losses[row, :used], self.shares[row, :used]
            where, features = problem.design.row(row)
            scales = problem.pair_features[row]
            values = losses + points[:, :width] @ (features @ self.unary_sum[where] / ridge)
            if pair_sum.size:
                pair_weights = regulariser.pair_weights(pair_sum).reshape(self.pair_sum.shape)
                values += points[:, width:] @ (scales @ pair_weights)
            best, worst = values.argmax(), np.where(shares > 0, values, np.inf).argmin()
            gaps[place] = values[best] - shares @ values
            slope = values[best] - values[worst]
            towards = points[best] - points[worst]
            unary, pair = towards[:width], towards[width:]
            length = problem.design.squared_norms[row] * (unary @ unary)
            if pair.size:
                length += (scales @ scales) * (pair @ pair)
            if slope <= 0 or length == 0:
                continue
            step = min(shares[worst], ridge * count * slope / length)
            shares[best] += step
            shares[worst] -= step
            self.unary_sum[where] -= (step / count * features)[:, None] * unary
            if pair.size:
                self.pair_sum -= (step / count * scales)[:, None] * pair
        return gaps


def _better(first: Solution, second: Solution) -> Solution:
    """The weights of lower primal value, with the gap to the higher of both dual values."""
    dual = max(first.primal - first.gap, second.primal - second.gap)
    better = min(first, second, key=lambda solution: solution.primal)
    return Solution(better.weights, better.hinge, better.primal, better.primal - dual, second.passes)


def _flat_pairs(pair: NDArray[np.float64]) -> NDArray[np.float64]:
    return pair.reshape(len(pair), pair.shape[1] * pair.shape[2])
