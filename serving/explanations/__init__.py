"""Why an item stands where it stands: what its features add to its base score, and what its place hangs on."""

from serving.explanations.background import Background, NotExplained, load_background, usual_context
from serving.explanations.contributions import Contributions, TreeContributions
from serving.explanations.described import described
from serving.explanations.effects import FeatureEffect, NeighbourEffect, PlaceOcclusion
from serving.explanations.items import ItemExplanation, explain
from serving.explanations.occlusion import occlude

__all__ = [
    "Background",
    "Contributions",
    "FeatureEffect",
    "ItemExplanation",
    "NeighbourEffect",
    "NotExplained",
    "PlaceOcclusion",
    "TreeContributions",
    "described",
    "explain",
    "load_background",
    "occlude",
    "usual_context",
]
