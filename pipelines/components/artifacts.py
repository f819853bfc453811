"""Artifact types beyond TFX's standard ones."""

from tfx.types.artifact import Artifact


class ItemCatalogue(Artifact):
    """Items and their tags, as they were when the run read them."""

    TYPE_NAME = "ItemCatalogue"


class ImageCascade(Artifact):
    """A folder with one exported cascade of image backbones, and what its training found."""

    TYPE_NAME = "ImageCascade"


class ItemImageFeatures(Artifact):
    """Features of items from their thumbnails, the thumbnails that cannot be read, and counts."""

    TYPE_NAME = "ItemImageFeatures"


class SimulatedClicks(Artifact):
    """Clicks of every item of both splits, simulated on the base ranker's order."""

    TYPE_NAME = "SimulatedClicks"
