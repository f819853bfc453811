"""Base rankers: the order that every later stage starts from, behind one small interface."""

from ranking.base_rankers.as_logged import AsLogged
from ranking.base_rankers.exchange import TrainingOutcome
from ranking.base_rankers.folds import out_of_fold_scores
from ranking.base_rankers.isolated import train_isolated
from ranking.base_rankers.lambdamart import LambdaMART, TrainedLambdaMART
from ranking.base_rankers.ranker import BaseRanker, FittedRanker

__all__ = [
    "AsLogged",
    "BaseRanker",
    "FittedRanker",
    "LambdaMART",
    "TrainedLambdaMART",
    "TrainingOutcome",
    "out_of_fold_scores",
    "train_isolated",
]
