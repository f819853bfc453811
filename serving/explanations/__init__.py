"""Why an item stands where it stands: what its features add to its base score, and what its place hangs on."""

from serving.explanations.contributions import Contributions, TreeContributions
from serving.explanations.effects import FeatureEffect, NeighbourEffect, PlaceOcclusion
from serving.explanations.explainer import Explainer, ItemExplanation, NotExplained
from serving.explanations.occlusion import occlude

__all__ = [
    "Contributions",
    "Explainer",
    "FeatureEffect",
    "ItemExplanation",
    "NeighbourEffect",
    "NotExplained",
    "PlaceOcclusion",
    "TreeContributions",
    "occlude",
]
