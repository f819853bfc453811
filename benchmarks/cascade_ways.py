"""The ways to classify that `benchmarks/cascades.py` compares, chosen on held-out rows and judged on others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.committees import NEVER, CascadePlan, CascadeSearch, Routed, route

SETTINGS = tuple(itertools.product(("mean", "last"), ("max_probability", "margin")))
ENSEMBLE_SIZES = (2, 3)
Predictions = Mapping[str, NDArray[np.float32]]
Costs = Mapping[str, int]


@dataclass(frozen=True)
class Way:
    """Members that are asked in turn, and when a row leaves.

    Attributes:
        kind: `single`, `ensemble`, `cascade`, `cautious cascade`, `guarded cascade`, `self-cascade` or `on the front`.
        members: names, by rising cost.
        thresholds: of all members but the last; `NEVER` throughout makes an ensemble.
        confidence, combine: as in `route`.
        replaces: the single whose held-out accuracy it was to reach; empty where none.
    """

    kind: str
    members: tuple[str, ...]
    thresholds: tuple[float, ...] = ()
    confidence: str = "max_probability"
    combine: str = "mean"
    replaces: str = ""

    def routed(self, predictions: Predictions) -> Routed:
        """What it answers, by its members' predictions."""
        stacked = np.stack([predictions[member] for member in self.members])
        return route(stacked, self.thresholds, self.confidence, self.combine)  # type: ignore[arg-type]


def accuracy(probabilities: NDArray[np.float32], classes: NDArray[np.int64]) -> float:
    """Share of rows named rightly."""
    return float((probabilities.argmax(axis=1) == classes).mean())


def best_single(predictions: Predictions, classes: NDArray[np.int64]) -> str:
    """The member of the highest held-out accuracy."""
    return max(predictions, key=lambda name: accuracy(predictions[name], classes))


def ensembles(predictions: Predictions, costs: Costs) -> list[Way]:
    """All averages of two and of three members."""
    by_cost = sorted(predictions, key=lambda name: (costs[name], name))
    return [
        Way("ensemble", members, (NEVER,) * (len(members) - 1))
        for size in ENSEMBLE_SIZES
        for members in itertools.combinations(by_cost, size)
    ]


@dataclass(frozen=True)
class Searched:
    """Searches over held-out rows, one for each way to combine stages and to measure confidence.

    Attributes:
        predictions, classes: of the rows.
        costs: multiply-adds of a row.
        searches: fitted, which takes by far the longest.
    """

    predictions: Predictions
    classes: NDArray[np.int64]
    costs: Costs
    searches: tuple[CascadeSearch, ...]

    @classmethod
    def of(cls, predictions: Predictions, classes: NDArray[np.int64], costs: Costs) -> Searched:
        """Fit all searches."""
        fitted = (
            CascadeSearch(confidence, combine).fit(predictions, classes, costs)  # type: ignore[arg-type]
            for combine, confidence in SETTINGS
        )
        return cls(predictions, classes, costs, tuple(fitted))


def cheapest(given: Searched, replaces: str, guarded: bool, kind: str, margin: float = 0.0) -> Way:
    """The cheapest cascade that is as accurate on held-out rows as a member is, over all settings of the search.

    Args:
        given: the searches.
        replaces: the member.
        guarded: whether its worst case may cost no more than the member does.
        kind: of the way.
        margin: by how much it must be more accurate on these rows. What is chosen among very many settings owes a part
            of its accuracy there to luck, more than one of a few members does.
    """
    wanted = accuracy(given.predictions[replaces], given.classes) + margin
    bound = float(given.costs[replaces]) if guarded else None
    found: list[CascadePlan] = []
    for search in given.searches:
        try:
            found.append(search.best(min_accuracy=wanted, max_worst_cost=bound))
        except DataError:
            # The member itself is within the bounds, unless a rounding of its own accuracy is in the way.
            continue
    if not found:
        raise DataError(f"no cascade is by {margin:.4f} more accurate than {replaces}; ask for less")
    return _way(min(found, key=lambda plan: plan.expected_cost), kind, replaces)


def cautious(given: Searched, strict: Way) -> list[Way]:
    """The cheapest cascade that is by one standard error more accurate than the member that `strict` replaces, if any.

    The error is of the difference between the two, paired by row.
    """
    answers = strict.routed(given.predictions).probabilities
    _, error = paired_difference(answers, given.predictions[strict.replaces], given.classes)
    try:
        return [cheapest(given, strict.replaces, False, "cautious cascade", error)]
    except DataError:
        return []


def front(given: Searched) -> list[Way]:
    """The cascades of the first search that none beats in accuracy and expected cost on held-out rows."""
    return [_way(plan, "on the front", "") for plan in given.searches[0].pareto()]


def paired_difference(
    one: NDArray[np.float32], other: NDArray[np.float32], classes: NDArray[np.int64]
) -> tuple[float, float]:
    """Accuracy of `one` minus that of `other` on the same rows, and its standard error."""
    right = [(given.argmax(axis=1) == classes).astype(np.float64) for given in (one, other)]
    difference = right[0] - right[1]
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


def worst_cost(members: Sequence[str], costs: Costs) -> int:
    """Multiply-adds of a row that all members read."""
    return sum(costs[member] for member in members)


def _way(plan: CascadePlan, kind: str, replaces: str) -> Way:
    return Way(kind, plan.members, plan.thresholds, plan.confidence, plan.combine, replaces)
