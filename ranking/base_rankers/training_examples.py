"""The lists that teach an order, with the label of every item and the weight of every list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.relevance_labels import Label, relevance_labels
from ranking.lists import RankingLists
from seriatim_errors import TrainingError

# The label of what takes no part in a loss, as TensorFlow Ranking has it.
NO_PART = -1.0


@dataclass(frozen=True)
class TrainingExamples:
    """What a listwise loss reads.

    Attributes:
        lists: those in which some items with weight have different labels.
        labels: float32 `[items]`, whole numbers >= 0, and `NO_PART` where an item's weight is 0.
        list_weights: float32 `[lists]`, > 0, the mean weight of a list's relevant items, each counted as often
            as its label says.
    """

    lists: RankingLists
    labels: NDArray[np.float32]
    list_weights: NDArray[np.float32]


def training_examples(lists: RankingLists, label: Label) -> TrainingExamples:
    """The examples in `lists`; a list whose items all have one label teaches nothing and is left out.

    Raises:
        DataError: the label's column is missing or holds values that are no grades.
        TrainingError: no list teaches an order.
    """
    relevance = relevance_labels(lists, label)
    weights = np.ones_like(relevance) if lists.weights is None else lists.weights
    labels = np.where(weights > 0, relevance, NO_PART).astype(np.float32)
    lowest, highest = np.full(len(lists), np.inf), np.full(len(lists), NO_PART)
    takes_part = labels != NO_PART
    np.minimum.at(lowest, lists.list_index[takes_part], labels[takes_part])
    np.maximum.at(highest, lists.list_index[takes_part], labels[takes_part])
    teaches = highest > lowest
    if not teaches.any():
        raise TrainingError(
            f"label {label!r}: in each of the {len(lists)} lists all items with weight have the same label, "
            "so there is no order to learn; give lists with both relevant and other items"
        )
    gains = np.maximum(labels, 0)
    weighted, total = (np.bincount(lists.list_index, values, len(lists)) for values in (gains * weights, gains))
    return TrainingExamples(
        lists.select(teaches),
        labels[teaches[lists.list_index]],
        (weighted[teaches] / total[teaches]).astype(np.float32),
    )
