"""Waiting requests: ranked together, with less decoding where time is short, refused early where it is gone."""

from serving.batching.batcher import Batcher
from serving.batching.costs import Costs
from serving.batching.refusals import DeadlinePassedError, OverloadedError

__all__ = ["Batcher", "Costs", "DeadlinePassedError", "OverloadedError"]
