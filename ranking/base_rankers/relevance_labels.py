"""Which column a ranker learns from, checked before any training starts."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from seriatim_errors import DataError, TrainingError

Label = Literal["clicked", "grade"]
MAX_GRADE = 30
MAX_LIST_SIZE = 10_000


def relevance_labels(lists: RankingLists, label: Label) -> NDArray[np.float32]:
    """The labels of `lists`, float32 `[items]`, whole numbers >= 0.

    Raises:
        DataError: the lists hold no such column, or a label that LambdaMART cannot weigh (its gain is
            `2**label - 1`, so labels are whole numbers up to 30).
    """
    values = lists.clicks if label == "clicked" else lists.grades
    if values is None:
        other = "grade" if label == "clicked" else "clicked"
        raise DataError(f"label {label!r}: the data hold no such column; add it or learn from {other!r}")
    wrong = ~((values >= 0) & (values <= MAX_GRADE) & (values == np.floor(values)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"label {label!r}: item {lists.item_ids[row]!r} has {values[row]}; give whole numbers from 0 to {MAX_GRADE}"
        )
    return values


def check_trainable(lists: RankingLists, label: Label) -> None:
    """Refuse lists from which no order can be learnt.

    Raises:
        DataError: as `relevance_labels`.
        TrainingError: no list holds two items with different labels, or one is longer than LightGBM takes.
    """
    values = relevance_labels(lists, label)
    longest = int(lists.list_sizes.max(initial=0))
    if longest > MAX_LIST_SIZE:
        request = lists.request_ids[int(np.argmax(lists.list_sizes))]
        raise TrainingError(
            f"request {request!r} has {longest} candidates; LambdaMART trains on at most "
            f"{MAX_LIST_SIZE} a list, so cut the list or split it"
        )
    if not any((values[rows].max(axis=1) > values[rows].min(axis=1)).any() for rows in lists.rows_by_list_size()):
        raise TrainingError(
            f"label {label!r}: in each of the {len(lists)} lists all items have the same label, "
            "so there is no order to learn; give lists with both relevant and other items"
        )


def with_relevant_items(lists: RankingLists, label: Label) -> RankingLists:
    """Only the lists in which an item is relevant: the ones that ranking metrics count."""
    positive = np.bincount(lists.list_index, relevance_labels(lists, label) > 0, minlength=len(lists))
    return lists.select(positive > 0)
