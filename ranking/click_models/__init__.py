"""Click models: simulated users who examine a shown list and click; they compose and are seeded."""

from ranking.click_models.diverse import DiverseClicks
from ranking.click_models.examination import Cascade, ClickModel, ExaminationModel, PositionBased
from ranking.click_models.reranked import clicks_on_order
from ranking.click_models.similar import SimilarClicks

__all__ = [
    "Cascade",
    "ClickModel",
    "DiverseClicks",
    "ExaminationModel",
    "PositionBased",
    "SimilarClicks",
    "clicks_on_order",
]
