"""The catalogue that a run's labeller learns from, checked against the log before anything is trained."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pyarrow.parquet

from pipelines.click_log import ITEM_PREFIX
from pipelines.config import PipelineConfig
from pipelines.ingest import TRAIN, PreparedLog
from pipelines.item_catalogue import ItemCatalogue, read_catalogue
from pipelines.items_in_common import items_in_common
from seriatim_errors import DataError


def catalogue_of_run(config: PipelineConfig, log: PreparedLog, say: Callable[[str], None]) -> ItemCatalogue | None:
    """Read the catalogue and tell how it meets the log; None where the configuration has no labeller.

    Raises:
        DataError: the catalogue breaks its contract, has no tagged item in common with the training part of the
            log, or the log has no feature of items to tell tags from.
    """
    if config.labeller is None or config.data.items is None:
        return None
    if not log.columns.of_item:
        raise DataError(
            f"the labeller reads the features of items, columns {ITEM_PREFIX}*, and the click log has none (found: "
            f"{', '.join(log.columns.names)}); name those of its features so, or set labeller to null"
        )
    catalogue = read_catalogue(config.data.items.local, config.labeller.label_prefix)
    shown = pyarrow.parquet.read_table(log.folder / f"{TRAIN}.parquet", columns=["item_id"])["item_id"]
    common = items_in_common(catalogue, pd.unique(shown.to_pandas()))
    say(
        f"item catalogue {catalogue.fingerprint}: {common.catalogue} items with {len(catalogue.labels)} tags; "
        f"{common.common} are among the {common.log} items of the log's training part"
        + (f", of which {common.untagged} have no known tag" if common.untagged else "")
    )
    return catalogue
