"""Base rankers: the order that every later stage starts from, behind one small interface."""

from ranking.base_rankers.as_logged import AsLogged
from ranking.base_rankers.exchange import TrainingOutcome
from ranking.base_rankers.folds import out_of_fold_scores
from ranking.base_rankers.isolated import train_isolated
from ranking.base_rankers.lambdamart import LambdaMART, TrainedLambdaMART
from ranking.base_rankers.linear import FittedLinear, Linear
from ranking.base_rankers.network import NetworkRanker, TrainedNetwork
from ranking.base_rankers.ranker import BaseRanker, FittedRanker
from ranking.base_rankers.tf_ranking import TFRanking

__all__ = [
    "AsLogged",
    "BaseRanker",
    "FittedLinear",
    "FittedRanker",
    "LambdaMART",
    "Linear",
    "NetworkRanker",
    "TFRanking",
    "TrainedLambdaMART",
    "TrainedNetwork",
    "TrainingOutcome",
    "out_of_fold_scores",
    "train_isolated",
]
