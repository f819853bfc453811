"""The image cascade: cheap backbones first, expensive ones for what they are not sure of."""

from serving.images.golden import GoldenImages
from serving.images.loading import load_cascade
from serving.images.manifest import CascadeManifest, CascadeStage, InputSize
from serving.images.reader import Cascade, open_cascade
from serving.images.rows import ImageScore
from serving.images.runtime import CascadeRuntime
from serving.images.statistics import CascadeCounts, StageRun
from serving.images.writer import write_cascade

__all__ = [
    "Cascade",
    "CascadeCounts",
    "CascadeManifest",
    "CascadeRuntime",
    "CascadeStage",
    "GoldenImages",
    "ImageScore",
    "InputSize",
    "StageRun",
    "load_cascade",
    "open_cascade",
    "write_cascade",
]
