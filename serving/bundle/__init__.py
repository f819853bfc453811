"""Model bundles: everything the service needs to rank, written once, never changed, checked on loading."""

from serving.bundle.golden import GoldenRequests, self_test
from serving.bundle.manifest import (
    BaseRankerStage,
    Features,
    GateStage,
    ItemFeaturesEntry,
    LabellerStage,
    Manifest,
    RateTarget,
    Seq2SlateStage,
    TrainingDataSummary,
)
from serving.bundle.reader import Bundle, bundle_versions, newest_bundle, open_bundle
from serving.bundle.writer import write_bundle

__all__ = [
    "BaseRankerStage",
    "Bundle",
    "Features",
    "GateStage",
    "GoldenRequests",
    "ItemFeaturesEntry",
    "LabellerStage",
    "Manifest",
    "RateTarget",
    "Seq2SlateStage",
    "TrainingDataSummary",
    "bundle_versions",
    "newest_bundle",
    "open_bundle",
    "self_test",
    "write_bundle",
]
