"""Committees of models (Wang et al., Wisdom of Committees, arXiv 2012.01988): cascades and the search for them."""

from vision_components.committees.confidence import Confidence, confidence_of
from vision_components.committees.costs import CascadeCosts, costs_of
from vision_components.committees.plan import CascadePlan
from vision_components.committees.routing import NEVER, Combine, Routed, route
from vision_components.committees.search import CascadeSearch

__all__ = [
    "NEVER",
    "CascadeCosts",
    "CascadePlan",
    "CascadeSearch",
    "Combine",
    "Confidence",
    "Routed",
    "confidence_of",
    "costs_of",
    "route",
]
