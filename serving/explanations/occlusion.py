"""What an item's place hangs on: the re-ranker is asked again with one thing taken out of what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.explanations.choices import Asked, Choices
from serving.runtime.seq2slate import Seq2Slate


@dataclass(frozen=True)
class NeighbourEffect:
    """What another candidate does to the item, by taking it out of the list and out of the places above.

    Attributes:
        row: the other candidate, in the list that the re-ranker read.
        context: in nats, log-probability of the item at its step with the other in what the network reads, minus that
            without it. Both choose among the same items, those that remain without the other, so that this is 0 for
            every network that scores items one by one. Above 0: its presence raises the item.
        competition: in nats, 0 or below: what the item loses because the other could be chosen at that step too; 0 for
            one that is placed above. `context + competition` is the whole change.
        place_with, place_without: the item's 1-based place counted without the other, before and after it is taken out
            and the best slate is built anew; None where it is not placed then, or where places are not compared.
    """

    row: int
    context: float
    competition: float
    place_with: int | None
    place_without: int | None


@dataclass(frozen=True)
class FeatureEffect:
    """What a feature does to the item, by setting it to its mean over the list.

    Attributes:
        column: the feature.
        item: in nats, log-probability of the item at its step minus that with this item's value alone set; None for the
            context's features, which no item has alone. Above 0: the item's own value raises it.
        everywhere: the same with the value set for all candidates, so that the feature tells none from another.
        place_item, place_everywhere: the item's 1-based place in the best slate then; None where it is not placed, or
            where places are not compared.
    """

    column: int
    item: float | None
    everywhere: float
    place_item: int | None
    place_everywhere: int | None


@dataclass(frozen=True)
class PlaceOcclusion:
    """One item of a slate, occluded.

    Attributes:
        row: the item, in the list that the re-ranker read.
        place: its 1-based place.
        log_probability: of the choice at its step, given the places above it.
        places_compared: whether the effects hold places: of the best slate alone, for a drawn one has none to compare.
        neighbours: one for every other candidate, in the list's order.
        features: one for every feature that differs between candidates, or that has a reference.
    """

    row: int
    place: int
    log_probability: float
    places_compared: bool
    neighbours: tuple[NeighbourEffect, ...]
    features: tuple[FeatureEffect, ...]


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
    """
    asked = Choices(model, one_step, temperature)
    whole = _Slate(asked, features, path, context_count)
    columns, references = _references(features, context_reference, context_count)
    shorter = whole.without_each()
    levelled = whole.levelled(columns, references) if len(columns) else None
    return [
        PlaceOcclusion(
            row=int(path[step]),
            place=step + 1,
            log_probability=whole.told.log_probability(0, int(path[step]), step),
            places_compared=compare_places,
            neighbours=() if shorter is None else _neighbours(whole, shorter, step, compare_places),
            features=() if levelled is None else _features(whole, levelled, columns, references, step, compare_places),
        )
        for step in explained
    ]


class _Slate:
    """The list and the slate as they are, and the variants of both."""

    def __init__(
        self, asked: Choices, features: NDArray[np.float32], path: NDArray[np.int64], context_count: int
    ) -> None:
        self.asked, self.features, self.path, self.context_count = asked, features, path, context_count
        self.told = asked.along(features[np.newaxis], path[np.newaxis])

    def without_each(self) -> Asked | None:
        """Lists without each candidate in turn, and slates without it; None where there is no other."""
        count = len(self.features)
        if count == 1:
            return None
        rest = np.array([np.delete(np.arange(count), row) for row in range(count)])
        paths = np.full((count, len(self.path)), -1)
        for row in range(count):
            kept = self.path[self.path != row]
            paths[row, : len(kept)] = kept - (kept > row)
        return self.asked.along(self.features[rest], paths)

    def levelled(self, columns: NDArray[np.int64], values: NDArray[np.float32], item: int | None = None) -> Asked:
        """The list with each of the columns set to its value, in turn: of one item, or of all."""
        lists = np.repeat(self.features[np.newaxis], len(columns), axis=0)
        items = slice(None) if item is None else slice(item, item + 1)
        lists[np.arange(len(columns)), items, columns] = values[:, np.newaxis]
        return self.asked.along(lists, np.repeat(self.path[np.newaxis], len(columns), axis=0))

    def change(self, variant: Asked, index: int, step: int) -> float:
        """Log-probability of the item at `step` as it is, minus that in variant `index`."""
        item = int(self.path[step])
        return self.told.log_probability(0, item, step) - variant.log_probability(index, item, step)


def _features(
    whole: _Slate,
    levelled: Asked,
    columns: NDArray[np.int64],
    references: NDArray[np.float32],
    step: int,
    compare_places: bool,
) -> tuple[FeatureEffect, ...]:
    item = int(whole.path[step])
    alone = whole.levelled(columns, references, item)
    effects = []
    for index, column in enumerate(columns.tolist()):
        own = column >= whole.context_count
        effects.append(
            FeatureEffect(
                column=column,
                item=whole.change(alone, index, step) if own else None,
                everywhere=whole.change(levelled, index, step),
                place_item=alone.place(index, item) if own and compare_places else None,
                place_everywhere=levelled.place(index, item) if compare_places else None,
            )
        )
    return tuple(effects)


def _neighbours(whole: _Slate, shorter: Asked, step: int, compare_places: bool) -> tuple[NeighbourEffect, ...]:
    item, above = int(whole.path[step]), whole.path[:step]
    own = whole.told.log_probability(0, item, step)
    logs = whole.asked.distribution(whole.features, above)
    effects = []
    for row in range(len(whole.features)):
        if row == item:
            continue
        is_above = bool((above == row).any())
        competition = 0.0 if np.isneginf(logs[row]) else min(0.0, _log_sum_exp(np.delete(logs, row)))
        earlier = int(is_above and not whole.asked.one_step)
        without = shorter.log_probability(row, item - (item > row), step - earlier)
        effects.append(
            NeighbourEffect(
                row=row,
                context=own - competition - without,
                competition=competition,
                place_with=step + 1 - int(is_above) if compare_places else None,
                place_without=shorter.place(row, item - (item > row)) if compare_places else None,
            )
        )
    return tuple(effects)


class _References(NamedTuple):
    columns: NDArray[np.int64]
    values: NDArray[np.float32]


def _references(
    features: NDArray[np.float32], context_reference: NDArray[np.float32] | None, context_count: int
) -> _References:
    """The columns that are worth setting, and what to: setting one that never differs would change nothing."""
    values = features.astype(np.float64).mean(axis=0).astype(np.float32)
    worth = features.min(axis=0) < features.max(axis=0)
    worth[:context_count] = False
    if context_reference is not None:
        values[:context_count] = context_reference
        worth[:context_count] = features[0, :context_count] != context_reference
    columns = np.flatnonzero(worth)
    return _References(columns, values[columns])


def _log_sum_exp(logs: NDArray[np.float64]) -> float:
    highest = logs.max()
    return -np.inf if np.isneginf(highest) else float(highest + np.log(np.exp(logs - highest).sum()))
