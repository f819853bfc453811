"""Which cascade of a pool of models is the best, by their predictions on held-out rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.committees.confidence import Confidence, confidence_of
from vision_components.committees.plan import CascadePlan
from vision_components.committees.routing import NEVER, Combine, combined, route


@dataclass(frozen=True)
class _Family:
    """All threshold settings of one choice of models.

    Attributes:
        members: places in the pool, by cost.
        thresholds: candidates of each stage but the last.
        correct: float64 `[candidates of stage 1, ..., of the last but one]`, rows answered right.
        expected: the same shape, multiply-adds of a row.
        worst: multiply-adds of a row that goes through all.
    """

    members: tuple[int, ...]
    thresholds: tuple[NDArray[np.float32], ...]
    correct: NDArray[np.float64]
    expected: NDArray[np.float64]
    worst: float


class CascadeSearch:
    """Tries every choice of up to `max_stages` models, by rising cost, with thresholds at quantiles of the confidences.

    Quantiles rather than a grid, so that two settings send different rows on; besides them, `NEVER`. All settings of a
    choice are evaluated together as products of matrices: no setting is routed row by row.

    Args:
        confidence, combine: as in `route`.
        max_stages: of a cascade.
        num_quantiles: candidates a stage, at least 2.
    """

    def __init__(
        self,
        confidence: Confidence = "max_probability",
        combine: Combine = "mean",
        max_stages: int = 4,
        num_quantiles: int = 21,
    ) -> None:
        if max_stages < 1 or num_quantiles < 2:
            raise ValueError(f"max_stages {max_stages}, num_quantiles {num_quantiles}; give at least 1 and 2")
        self.confidence, self.combine = confidence, combine
        self.max_stages, self.num_quantiles = max_stages, num_quantiles
        self._families: list[_Family] = []

    def fit(
        self, predictions: Mapping[str, NDArray[np.floating]], labels: NDArray[np.integer], costs: Mapping[str, float]
    ) -> CascadeSearch:
        """Evaluate all cascades.

        Args:
            predictions: each model's probabilities, float `[rows, classes]`, of rows that no model was trained on.
            labels: integers `[rows]`.
            costs: multiply-adds of a row for each model.

        Raises:
            DataError: there is no model or no row, a model has no cost, or shapes differ.
        """
        self._check(predictions, labels, costs)
        self._names = sorted(predictions, key=lambda name: (costs[name], name))
        self._costs = np.array([costs[name] for name in self._names], np.float64)
        self._pool = np.stack([np.asarray(predictions[name], np.float32) for name in self._names])
        self._labels = np.asarray(labels)
        most = min(self.max_stages, len(self._names))
        choices = [choice for size in range(1, most + 1) for choice in combinations(range(len(self._names)), size)]
        self._families = [self._evaluated(choice) for choice in choices]
        return self

    def best(
        self,
        min_accuracy: float | None = None,
        max_cost: float | None = None,
        max_worst_cost: float | None = None,
    ) -> CascadePlan:
        """The cheapest cascade of at least an accuracy, or else the most accurate one.

        Args:
            min_accuracy: share of held-out rows answered right; given, expected cost is minimised.
            max_cost: of the expected cost.
            max_worst_cost: of the worst case, such as the cost of the single model that the cascade is to replace.

        Raises:
            DataError: no cascade is within the bounds; the message says what is nearest.
        """
        best: tuple[tuple[float, float], _Family, int] | None = None
        for family in self._families:
            if max_worst_cost is not None and family.worst > max_worst_cost:
                continue
            accuracy, expected = family.correct.ravel() / len(self._labels), family.expected.ravel()
            allowed = np.ones(len(accuracy), bool)
            if min_accuracy is not None:
                allowed &= accuracy >= min_accuracy
            if max_cost is not None:
                allowed &= expected <= max_cost
            if not allowed.any():
                continue
            keys = (expected, -accuracy) if min_accuracy is not None else (-accuracy, expected)
            place = int(np.lexsort((keys[1], np.where(allowed, keys[0], np.inf)))[0])
            found = (float(keys[0][place]), float(keys[1][place]))
            if best is None or found < best[0]:
                best = found, family, place
        if best is None:
            raise DataError(self._nearest(min_accuracy, max_cost, max_worst_cost))
        return self._plan(best[1], best[2])

    def pareto(self, max_worst_cost: float | None = None) -> list[CascadePlan]:
        """Cascades that no other beats in both expected cost and accuracy, by rising cost."""
        families = [one for one in self._families if max_worst_cost is None or one.worst <= max_worst_cost]
        if not families:
            return []
        correct = np.concatenate([family.correct.ravel() for family in families])
        expected = np.concatenate([family.expected.ravel() for family in families])
        owner = np.repeat(np.arange(len(families)), [family.correct.size for family in families])
        place = np.concatenate([np.arange(family.correct.size) for family in families])
        order = np.lexsort((-correct, expected))
        before = np.concatenate([[-1.0], np.maximum.accumulate(correct[order])[:-1]])
        front = order[correct[order] > before]
        return [self._plan(families[owner[row]], int(place[row])) for row in front]

    def _evaluated(self, members: tuple[int, ...]) -> _Family:
        answers = combined(self._pool[list(members)], self.combine)
        right = (answers.argmax(axis=2) == self._labels).astype(np.float64)
        sure, costs = confidence_of(answers, self.confidence), self._costs[list(members)]
        thresholds = tuple(self._candidates(stage) for stage in sure[:-1])
        rows = len(self._labels)
        # For every setting of the stages so far: which rows come to the next.
        coming = np.ones((1, rows))
        correct, expected = np.zeros(1), np.full(1, costs[0] * rows)
        for stage, values in enumerate(thresholds):
            stays = (sure[stage] < values[:, np.newaxis]).astype(np.float64)
            correct = (correct[:, np.newaxis] + coming @ ((1 - stays) * right[stage]).T).ravel()
            expected = (expected[:, np.newaxis] + costs[stage + 1] * (coming @ stays.T)).ravel()
            if stage + 1 < len(thresholds):
                coming = (coming[:, np.newaxis] * stays).reshape(-1, rows)
            else:
                correct += (coming @ (stays * right[stage + 1]).T).ravel()
        if not thresholds:
            correct = right[0].sum(keepdims=True)
        shape = tuple(len(values) for values in thresholds)
        return _Family(members, thresholds, correct.reshape(shape), expected.reshape(shape) / rows, float(costs.sum()))

    def _candidates(self, sure: NDArray[np.float32]) -> NDArray[np.float32]:
        quantiles = np.quantile(sure, np.linspace(0, 1, self.num_quantiles), method="lower")
        return np.append(np.unique(quantiles.astype(np.float32)), np.float32(NEVER))

    def _plan(self, family: _Family, place: int) -> CascadePlan:
        setting = np.unravel_index(place, family.correct.shape) if family.thresholds else ()
        thresholds = [float(values[at]) for values, at in zip(family.thresholds, setting, strict=True)]
        members = list(family.members)
        routed = route(self._pool[members], thresholds, self.confidence, self.combine)
        left = np.bincount(routed.exit_stage, minlength=len(members))
        return CascadePlan(
            members=tuple(self._names[member] for member in members),
            thresholds=tuple(thresholds),
            confidence=self.confidence,
            combine=self.combine,
            accuracy=float(family.correct.ravel()[place] / len(self._labels)),
            expected_cost=float(family.expected.ravel()[place]),
            best_cost=float(self._costs[members[0]]),
            worst_cost=family.worst,
            reach=tuple((left[::-1].cumsum()[::-1] / len(self._labels)).tolist()),
        )

    def _nearest(self, min_accuracy: float | None, max_cost: float | None, max_worst_cost: float | None) -> str:
        if not self._families:
            return "nothing was evaluated; call fit first"
        most = max(float(family.correct.max()) for family in self._families) / len(self._labels)
        least = min(float(family.expected.min()) for family in self._families)
        asked = {"min_accuracy": min_accuracy, "max_cost": max_cost, "max_worst_cost": max_worst_cost}
        bounds = ", ".join(f"{name} {value:g}" for name, value in asked.items() if value is not None)
        return (
            f"no cascade within {bounds}; this pool reaches an accuracy of {most:.4g} and a cost of {least:g} at best"
        )

    @staticmethod
    def _check(
        predictions: Mapping[str, NDArray[np.floating]], labels: NDArray[np.integer], costs: Mapping[str, float]
    ) -> None:
        if not predictions or len(labels) == 0:
            raise DataError(f"{len(predictions)} models and {len(labels)} rows; give one of each or more")
        shapes = {name: np.shape(values) for name, values in predictions.items()}
        first = next(iter(shapes.values()))
        for name, shape in shapes.items():
            if shape != first or len(shape) != 2 or shape[0] != len(labels):
                raise DataError(
                    f"predictions of {name!r} have shape {shape}; give {len(labels)} rows of as many classes"
                )
            if not costs.get(name, 0) > 0:
                raise DataError(f"costs of {name!r}: {costs.get(name)}; give its multiply-adds of a row")
