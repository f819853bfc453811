"""The feature store that a bundle carries."""

from __future__ import annotations

from seriatim_errors import BundleError
from serving.bundle.reader import Bundle
from serving.features.lmdb_store import LmdbStore
from serving.features.shared_environment import RESTORE


def bundle_features(bundle: Bundle) -> LmdbStore | None:
    """Open the item features of a bundle.

    Returns:
        The store, which the caller closes; None for a bundle without item features.

    Raises:
        BundleError: the file is not sound, lacks a feature that the bundle reads, or holds another number of items
            than the manifest says.
    """
    entry = bundle.manifest.item_features
    if entry is None:
        return None
    path = bundle.folder / entry.file
    store = LmdbStore(path, bundle.manifest.features)
    if store.schema.items != entry.items:
        store.close_now()
        raise BundleError(f"{path} holds {store.schema.items} items, the manifest says {entry.items}; {RESTORE}")
    return store
