"""Features of items that a request names by id alone: looked up in the bundle's LMDB file or in Redis."""

from serving.features.bundle_store import bundle_features
from serving.features.lmdb_store import LmdbStore
from serving.features.lookup import FeatureStore, LookedUp

__all__ = ["FeatureStore", "LmdbStore", "LookedUp", "bundle_features"]
