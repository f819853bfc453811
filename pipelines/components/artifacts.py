"""Artifact types beyond TFX's standard ones."""

from tfx.types.artifact import Artifact


class ItemCatalogue(Artifact):
    """Items and their tags, as they were when the run read them."""

    TYPE_NAME = "ItemCatalogue"


class SimulatedClicks(Artifact):
    """Clicks of every item of both splits, simulated on the base ranker's order."""

    TYPE_NAME = "SimulatedClicks"
