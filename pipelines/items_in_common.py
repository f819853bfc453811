"""How a catalogue and a click log meet: which items both know, and how many only one of them does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.item_catalogue import UNKNOWN, ItemCatalogue
from seriatim_errors import DataError


@dataclass(frozen=True)
class ItemsInCommon:
    """The meeting of a catalogue and a log.

    Attributes:
        catalogue: items of the catalogue.
        log: items of the log's training part.
        common: items that are in both.
        untagged: those in common none of whose tags is known; nothing can be learned from them.
        catalogue_rows: int64 `[usable]`, rows of the catalogue, of the items in common with a known tag.
        log_rows: int64 `[usable]`, places of the same items among the log's.
    """

    catalogue: int
    log: int
    common: int
    untagged: int
    catalogue_rows: NDArray[np.int64]
    log_rows: NDArray[np.int64]


def items_in_common(catalogue: ItemCatalogue, log_items: NDArray[np.object_]) -> ItemsInCommon:
    """Match a catalogue with the distinct items of a log's training part, object (str) `[items]`.

    Raises:
        DataError: no item is in both, or none of those has a known tag; the message shows an item of each.
    """
    place = {item: index for index, item in enumerate(log_items)}
    pairs = [(row, place[item]) for row, item in enumerate(catalogue.item_ids) if item in place]
    if not pairs:
        raise DataError(
            f"data.items holds none of the {len(log_items)} items of the log's training part (the log has "
            f"{log_items[0]!r}, the catalogue {catalogue.item_ids[0]!r}); give the catalogue of the items that were "
            "shown, under the same item_id"
        )
    rows = np.array(pairs, np.int64)
    tagged = (catalogue.tags[rows[:, 0]] != UNKNOWN).any(axis=1)
    if not tagged.any():
        raise DataError(
            f"data.items knows {len(pairs)} items of the log but no tag of any of them; fill in tags, 1 or 0, "
            "or set labeller to null"
        )
    return ItemsInCommon(
        catalogue=len(catalogue.item_ids),
        log=len(log_items),
        common=len(pairs),
        untagged=int((~tagged).sum()),
        catalogue_rows=rows[tagged, 0],
        log_rows=rows[tagged, 1],
    )
