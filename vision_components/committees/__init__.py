"""Committees of models (Wang et al., Wisdom of Committees, arXiv 2012.01988): cascades and the search for them.

The search reads predictions alone; TensorFlow is loaded only for who asks for one of the Keras models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vision_components.committees.confidence import Confidence, confidence_of
from vision_components.committees.costs import CascadeCosts, costs_of
from vision_components.committees.plan import CascadePlan
from vision_components.committees.routing import NEVER, Combine, Routed, route
from vision_components.committees.search import CascadeSearch

if TYPE_CHECKING:
    from vision_components.committees.cascade import Cascade
    from vision_components.committees.cells import CellCascade, RoutedCells
    from vision_components.committees.ensemble import Ensemble
    from vision_components.committees.members import CascadeStage
    from vision_components.committees.self_cascade import SelfCascade

__all__ = [
    "NEVER",
    "Cascade",
    "CascadeCosts",
    "CascadePlan",
    "CascadeSearch",
    "CascadeStage",
    "CellCascade",
    "Combine",
    "Confidence",
    "Ensemble",
    "Routed",
    "RoutedCells",
    "SelfCascade",
    "confidence_of",
    "costs_of",
    "route",
]

KERAS_MODELS = {
    "Cascade": "cascade",
    "CascadeStage": "members",
    "CellCascade": "cells",
    "Ensemble": "ensemble",
    "RoutedCells": "cells",
    "SelfCascade": "self_cascade",
}


def __getattr__(name: str) -> Any:
    """A name whose module loads TensorFlow, when it is asked for."""
    if name in KERAS_MODELS:
        return getattr(import_module(f"{__name__}.{KERAS_MODELS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
