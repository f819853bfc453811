"""Re-rankers to compare with, behind the interface of base rankers: they read lists in base order."""

from ranking.rivals.dlcm import DLCM
from ranking.rivals.dpp import DPP, FittedDPP
from ranking.rivals.mmr import MMR, FittedMMR
from ranking.rivals.one_shot_transformer import OneShotTransformer

__all__ = [
    "DLCM",
    "DPP",
    "MMR",
    "FittedDPP",
    "FittedMMR",
    "OneShotTransformer",
]
