"""CRANK: max-margin tree predictors."""

from structured.crank.cccp import CrankFit, CrankRound, CrankSettings, fit_crank
from structured.crank.classifier import CRANKClassifier

__all__ = ["CRANKClassifier", "CrankFit", "CrankRound", "CrankSettings", "fit_crank"]
