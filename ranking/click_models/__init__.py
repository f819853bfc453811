"""Click models: simulated users who examine a shown list and click; they compose, are seeded, and fit to a log."""

from ranking.click_models.dependent import DependentClicks
from ranking.click_models.dependent_estimation import fit_dependent_clicks, fit_first_click
from ranking.click_models.diverse import DiverseClicks
from ranking.click_models.estimate import ClickModelEstimate
from ranking.click_models.examination import Cascade, ClickModel, ExaminationModel, PositionBased
from ranking.click_models.position_estimation import fit_examination_decay, fit_position_based
from ranking.click_models.reranked import clicks_on_order
from ranking.click_models.similar import SimilarClicks

__all__ = [
    "Cascade",
    "ClickModel",
    "ClickModelEstimate",
    "DependentClicks",
    "DiverseClicks",
    "ExaminationModel",
    "PositionBased",
    "SimilarClicks",
    "clicks_on_order",
    "fit_dependent_clicks",
    "fit_examination_decay",
    "fit_first_click",
    "fit_position_based",
]
