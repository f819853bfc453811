"""What an item's place hangs on: the re-ranker is asked again with one thing taken out of what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from serving.explanations.choices import Choices
from serving.explanations.effects import FeatureEffect, NeighbourEffect, PlaceOcclusion
from serving.explanations.variants import Levelled, Same, WithoutEach
from serving.runtime.seq2slate import Seq2Slate

# Effects are differences of float32 numbers.
EFFECT_DIGITS = 4


def occlude(
    model: Seq2Slate,
    features: NDArray[np.float32],
    path: NDArray[np.int64],
    explained: Sequence[int],
    *,
    context_reference: NDArray[np.float32] | None = None,
    context_count: int = 0,
    one_step: bool = False,
    temperature: float = 1.0,
    compare_places: bool = True,
    most: int | None = None,
) -> list[PlaceOcclusion]:
    """Occlude what the re-ranker read, for items of one slate.

    Every number is exact for what it says: all variants are run through the graph that serves, along the slate's own
    path. They do not add up to anything, two things that stand in for each other both look unimportant, and a list
    without an item is a question to the network, not an experiment on users.

    Args:
        model: the re-ranker.
        features: raw, float32 `[candidates, features]`, the list that it read, in base order; the context's columns
            come first.
        path: int64 `[placed]`, the slate as rows of the list: what the re-ranker placed, first to last.
        explained: places to explain, 0-based, in `path`.
        context_reference: float32 `[context]`, what the context's features are set to; None: they are left out.
        context_count: how many of the columns are the context's.
        one_step: the slate is the order of the first logits.
        temperature: of the sampling that drew the slate, 1 for the best slate.
        compare_places: whether the slate is the best one, so that places can be compared.
        most: neighbours and features an item that are kept, those of the largest effects; None: all.
    """
    columns, references = _references(features, context_reference, context_count)
    choices = Choices(model, one_step, temperature)
    occluder = _Occluder(choices, features, path, columns, references, context_count, compare_places, most)
    return [occluder.explain(step) for step in explained]


class _Occluder:
    """The list and the slate as they are, and what the variants that all items share give."""

    def __init__(
        self,
        choices: Choices,
        features: NDArray[np.float32],
        path: NDArray[np.int64],
        columns: NDArray[np.int64],
        references: NDArray[np.float32],
        context_count: int,
        compare_places: bool,
        most: int | None,
    ) -> None:
        self._choices, self._features, self._path = choices, features, path
        self._columns, self._references, self._context_count = columns, references, context_count
        self._compare_places, self._most = compare_places, most
        self._own = choices.along(Same(features, 1), path[np.newaxis])[0]
        self._all = np.arange(len(columns))

    def explain(self, step: int) -> PlaceOcclusion:
        """Occlude the item at `step`."""
        return PlaceOcclusion(
            row=int(self._path[step]),
            place=step + 1,
            log_probability=float(self._own[step]),
            places_compared=self._compare_places,
            neighbours=self._neighbours(step) if len(self._features) > 1 else (),
            features=self._feature_effects(step) if len(self._columns) else (),
        )

    def _neighbours(self, step: int) -> tuple[NeighbourEffect, ...]:
        item, above = int(self._path[step]), self._path[:step]
        logs = self._choices.distribution(self._features, above)
        others = np.delete(np.arange(len(self._features)), item)
        is_above = np.isin(others, above)
        competition = np.array([0.0 if np.isneginf(logs[row]) else _log_sum(np.delete(logs, row)) for row in others])
        context = self._own[step] - competition - self._shorter_logs[others, step - is_above]
        return tuple(
            NeighbourEffect(
                row=int(others[index]),
                context=float(context[index]),
                competition=float(competition[index]),
                place_with=step + 1 - int(is_above[index]) if self._compare_places else None,
                place_without=self._place(self._shorter_slates[others[index]], item - int(item > others[index])),
            )
            for index in self._strongest(np.abs(context), -competition)
        )

    def _feature_effects(self, step: int) -> tuple[FeatureEffect, ...]:
        item = int(self._path[step])
        of_item = self._own[step] - self._choices.along(self._levelled(self._all, item), self._same_path)[:, step]
        everywhere = self._own[step] - self._everywhere_logs[:, step]
        has_own = self._columns >= self._context_count
        sizes = np.maximum(np.abs(everywhere), np.where(has_own, np.abs(of_item), 0.0))
        strongest = self._strongest(sizes, np.abs(everywhere))
        slates = None
        if self._compare_places and len(strongest):
            slates = self._choices.best(self._levelled(strongest, item))
        return tuple(
            FeatureEffect(
                column=int(self._columns[index]),
                item=float(of_item[index]) if has_own[index] else None,
                everywhere=float(everywhere[index]),
                place_item=self._place(slates[place], item) if has_own[index] and slates is not None else None,
                place_everywhere=self._place(self._everywhere_slates[index], item),
            )
            for place, index in enumerate(strongest)
        )

    def _strongest(self, sizes: NDArray[np.float64], among_equals: NDArray[np.float64]) -> NDArray[np.int64]:
        """Indices of the largest sizes, the largest first, without those of variants that overflow.

        Sizes that differ by the graph's own rounding are equal: then the larger of `among_equals` is first.
        """
        order = np.lexsort([-among_equals, -np.round(sizes, EFFECT_DIGITS)])
        sound = np.isfinite(sizes[order])
        return order[sound][: self._most]

    def _place(self, slate: NDArray[np.int64], item: int) -> int | None:
        found = np.flatnonzero(slate == item)
        return int(found[0]) + 1 if self._compare_places and len(found) else None

    @cached_property
    def _shorter_logs(self) -> NDArray[np.float64]:
        """Log-probabilities along the slate without each candidate in turn, float64 `[candidates, placed]`."""
        paths = np.full((len(self._features), len(self._path)), -1)
        for row, path in enumerate(paths):
            kept = self._path[self._path != row]
            path[: len(kept)] = kept - (kept > row)
        return self._choices.along(WithoutEach(self._features), paths)

    @cached_property
    def _shorter_slates(self) -> NDArray[np.int64]:
        return self._choices.best(WithoutEach(self._features))

    @cached_property
    def _everywhere_logs(self) -> NDArray[np.float64]:
        """Log-probabilities along the slate with each column levelled for all, float64 `[columns, placed]`."""
        return self._choices.along(self._levelled(self._all), self._same_path)

    @cached_property
    def _everywhere_slates(self) -> NDArray[np.int64]:
        return self._choices.best(self._levelled(self._all))

    @property
    def _same_path(self) -> NDArray[np.int64]:
        return np.tile(self._path, (len(self._columns), 1))

    def _levelled(self, columns: NDArray[np.int64], item: int | None = None) -> Levelled:
        """With each of `columns`, places in those worth setting, at its reference."""
        return Levelled(self._features, self._columns[columns], self._references[columns], item)


def _references(
    features: NDArray[np.float32], context_reference: NDArray[np.float32] | None, context_count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The columns that are worth setting, and what to: setting one that never differs would change nothing."""
    values = features.astype(np.float64).mean(axis=0).astype(np.float32)
    worth = features.min(axis=0) < features.max(axis=0)
    worth[:context_count] = False
    if context_reference is not None:
        values[:context_count] = context_reference
        worth[:context_count] = features[0, :context_count] != context_reference
    columns = np.flatnonzero(worth)
    return columns, values[columns]


def _log_sum(logs: NDArray[np.float64]) -> float:
    """Log of the sum of probabilities, at most 0."""
    return min(0.0, float(np.logaddexp.reduce(logs)))
