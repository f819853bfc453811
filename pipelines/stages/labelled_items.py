"""What the labeller learns from: one row an item, its mean features in the log and its tags in the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.hashed_split import identifier_hash
from pipelines.item_catalogue import UNKNOWN, ItemCatalogue
from pipelines.items_in_common import ItemsInCommon, items_in_common
from ranking.lists import RankingLists
from seriatim_errors import TrainingError


@dataclass(frozen=True)
class LabelledItems:
    """Items with features and tags.

    Attributes:
        item_ids: object (str) `[items]`.
        features: float64 `[items, features]`, in the log's units.
        feature_names: their columns.
        tags: int8 `[items, labels]`: 1, 0, or -1 where unknown; every row knows one of all labels.
        labels: names of the tags.
    """

    item_ids: NDArray[np.object_]
    features: NDArray[np.float64]
    feature_names: tuple[str, ...]
    tags: NDArray[np.int8]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        """Number of items."""
        return len(self.item_ids)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> LabelledItems:
        """The items that a mask or an index chooses."""
        return LabelledItems(self.item_ids[rows], self.features[rows], self.feature_names, self.tags[rows], self.labels)

    @property
    def taught(self) -> NDArray[np.bool_]:
        """Labels that some item is known to have or to lack, bool `[labels]`; of others nothing can be learned."""
        return (self.tags != UNKNOWN).any(axis=0)

    def with_labels(self, chosen: NDArray[np.bool_]) -> LabelledItems:
        """All items with the labels that a mask chooses."""
        labels = tuple(name for name, keep in zip(self.labels, chosen, strict=True) if keep)
        return LabelledItems(self.item_ids, self.features, self.feature_names, self.tags[:, chosen], labels)


def labelled_items(lists: RankingLists, catalogue: ItemCatalogue) -> tuple[LabelledItems, ItemsInCommon]:
    """Join the impressions of a log with a catalogue's tags.

    Args:
        lists: the log's training part with the features of items alone.
        catalogue: the items' tags.

    Returns:
        The items that both know and that have a known tag, each feature the mean over the item's impressions;
        and how many items were not so lucky.

    Raises:
        DataError: log and catalogue have no item in common, or none with a known tag.
    """
    codes, log_items = pd.factorize(lists.item_ids)
    common = items_in_common(catalogue, log_items)
    impressions = np.bincount(codes)
    means = [np.bincount(codes, weights=column) / impressions for column in lists.features.T]
    items = LabelledItems(
        item_ids=catalogue.item_ids[common.catalogue_rows],
        features=np.stack(means, axis=1)[common.log_rows],
        feature_names=lists.feature_names,
        tags=catalogue.tags[common.catalogue_rows],
        labels=catalogue.labels,
    )
    return items, common


def hold_out(items: LabelledItems, share: float, seed: int, fewest: int) -> tuple[LabelledItems, LabelledItems]:
    """Split items by a hash of their id: those to learn from, and about a `share` of them to judge by.

    Args:
        items: all.
        share: in (0, 1).
        seed: fixes the split.
        fewest: items that the learning side needs.

    Raises:
        TrainingError: a side has too few items.
    """
    held_out = identifier_hash(items.item_ids, seed) < share
    judged = int(held_out.sum())
    if len(items) - judged < fewest or judged == 0:
        raise TrainingError(
            f"labeller: {len(items)} items of the log have tags, and labeller.held_out_share {share:g} leaves "
            f"{len(items) - judged} to learn from (at least {fewest} are needed) and {judged} to judge by "
            "(at least 1); tag more items, change labeller.held_out_share, or set labeller to null"
        )
    return items.select(~held_out), items.select(held_out)
