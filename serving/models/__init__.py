"""Which bundles are loaded and which traffic each gets."""

from serving.models.loading import LoadedModel, load_model
from serving.models.shares import in_share
from serving.models.store import ModelStatus, ModelStore
from serving.models.traffic import Traffic, TrafficError

__all__ = ["LoadedModel", "ModelStatus", "ModelStore", "Traffic", "TrafficError", "in_share", "load_model"]
