"""Choosing among several students of every neighbourhood without training any combination of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.distillation.distil import NeighbourhoodDistiller, Schedule
from vision_components.distillation.report import accuracy_of
from vision_components.distillation.split import Split
from vision_components.distillation.steps import MakeOptimizer
from vision_components.multiply_adds import count_macs

Candidates = Mapping[str, Mapping[str, tf.keras.Model]]
TEACHER = "teacher"


@dataclass(frozen=True)
class Choice:
    """One candidate for every neighbourhood.

    Attributes:
        names: of the candidates, by neighbourhood; `teacher` keeps the teacher's part.
        cost: multiply-adds of an image through all of them.
        error: sum of their relative errors.
    """

    names: dict[str, str]
    cost: int
    error: float


class StudentSearch:
    """Students are learned once each, and compared by what they say about their own neighbourhood.

    So `sum |C_i|` small trainings tell about `prod |C_i|` networks. The teacher's own part is always a candidate, at no
    error.

    Args:
        split: of the teacher.
        candidates: by neighbourhood and then by a name of one's own; neighbourhoods without keep the teacher's part.
    """

    def __init__(self, split: Split, candidates: Candidates) -> None:
        if not any(candidates.values()):
            raise DataError("no candidates; give one or more, by the names of their neighbourhoods")
        for neighbourhood, models in candidates.items():
            if TEACHER in models:
                raise DataError(
                    f"a candidate of {neighbourhood!r} is called {TEACHER!r}, which is the part itself; rename it"
                )
            for model in models.values():
                split.check({neighbourhood: model})
        self.split, self.candidates = split, candidates
        self.errors: dict[str, dict[str, float]] = {}
        self.costs: dict[str, dict[str, int]] = {}

    def fit(
        self,
        images: NDArray[np.generic],
        epochs: int,
        batch_size: int = 64,
        optimizer: MakeOptimizer | None = None,
        schedule: Schedule = "one_pass",
        seed: int = 0,
    ) -> StudentSearch:
        """Learn every candidate; in one pass, the n-th candidates of all neighbourhoods together.

        Args:
            images, epochs, batch_size, optimizer, schedule, seed: as of `NeighbourhoodDistiller`.
        """
        shape = tuple(images.shape[1:])
        for part in self.split.neighbourhoods:
            models = self.candidates.get(part.name, {})
            costs = {TEACHER: count_macs(part.model, shape), **{n: count_macs(m, shape) for n, m in models.items()}}
            self.costs[part.name], self.errors[part.name] = costs, {TEACHER: 0.0}
            shape = tuple(part.model.compute_output_shape((1, *shape))[1:])
        most = max(len(models) for models in self.candidates.values())
        for turn in range(most):
            named = {name: list(models.items())[turn] for name, models in self.candidates.items() if turn < len(models)}
            students = {neighbourhood: model for neighbourhood, (_, model) in named.items()}
            distiller = NeighbourhoodDistiller(self.split, students, optimizer, seed=seed)
            learned = distiller.fit(images, epochs, batch_size, schedule)
            for neighbourhood, (name, _) in named.items():
                self.errors[neighbourhood][name] = learned.relative_error[neighbourhood]
        return self

    def budgeted(self, max_cost: int) -> Choice:
        """The choice of least total error within a budget, by dynamic programming over the neighbourhoods.

        Only choices that no other beats in both cost and error are carried on, so nothing is rounded.

        Args:
            max_cost: multiply-adds of all neighbourhoods together.

        Raises:
            DataError: no choice is as cheap; the message says what the cheapest costs.
        """
        front = [Choice({}, 0, 0.0)]
        for part in self._fitted():
            grown = [
                Choice({**one.names, part: name}, one.cost + cost, one.error + self.errors[part][name])
                for one in front
                for name, cost in self.costs[part].items()
            ]
            grown.sort(key=lambda one: (one.cost, one.error))
            front = []
            for one in grown:
                if not front or one.error < front[-1].error:
                    front.append(one)
        allowed = [one for one in front if one.cost <= max_cost]
        if not allowed:
            raise DataError(f"max_cost {max_cost}; the cheapest choice costs {front[0].cost}")
        return allowed[-1]

    def local(self, images: NDArray[np.generic], labels: NDArray[np.integer], max_drop: float) -> Choice:
        """In every neighbourhood the cheapest candidate that alone lowers the teacher's accuracy by at most `max_drop`.

        Args:
            images, labels: held out.
            max_drop: of accuracy, 0 or more.
        """
        whole = accuracy_of(self.split.teacher, images, labels)
        names = {}
        for part in self._fitted():
            by_cost = sorted(self.costs[part], key=lambda name: (self.costs[part][name], name))
            names[part] = next(
                name
                for name in by_cost
                if name == TEACHER
                or accuracy_of(self.split.compose({part: self.candidates[part][name]}), images, labels)
                >= whole - max_drop
            )
        return self._choice(names)

    def assembled(self, choice: Choice) -> tf.keras.Model:
        """The network of a choice."""
        students = {part: self.candidates[part][name] for part, name in choice.names.items() if name != TEACHER}
        return self.split.compose(students)

    def _choice(self, names: dict[str, str]) -> Choice:
        cost = sum(self.costs[part][name] for part, name in names.items())
        return Choice(names, cost, sum(self.errors[part][name] for part, name in names.items()))

    def _fitted(self) -> list[str]:
        if not self.costs:
            raise DataError("nothing was learned; call fit first")
        return [part.name for part in self.split.neighbourhoods]
