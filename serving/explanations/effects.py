"""The effects that occlusion finds, on one item of a slate."""

from __future__ import annotations

from dataclasses import dataclass


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
        neighbours: other candidates, the largest effect of context first, among equals the strongest competitor.
        features: those that differ between candidates or have a reference, the largest effect first, of this item's
            value or of everyone's.
    """

    row: int
    place: int
    log_probability: float
    places_compared: bool
    neighbours: tuple[NeighbourEffect, ...]
    features: tuple[FeatureEffect, ...]
