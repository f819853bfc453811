"""Keep the items and tags that a labeller is trained on."""

from __future__ import annotations

from pathlib import Path

from pipelines.item_catalogue import read_catalogue
from seriatim_errors import DataError

CATALOGUE_FILE = "items.parquet"


def keep_catalogue(path: Path, prefix: str, fingerprint: str, folder: Path) -> None:
    """Write the catalogue at `path`, items and tags alone, as `items.parquet` to `folder`.

    Raises:
        DataError: the catalogue breaks its contract, or is no longer the one of that fingerprint.
    """
    catalogue = read_catalogue(path, prefix)
    if catalogue.fingerprint != fingerprint:
        raise DataError(f"data.items {path} changed while the run went on; run again")
    catalogue.write(folder / CATALOGUE_FILE, prefix)
