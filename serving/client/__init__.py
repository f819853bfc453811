"""The Python client: NumPy or pandas in, slates out, errors by name; loads neither models nor their libraries."""

from serving.client.asynchronous import AsyncRankingClient
from serving.client.blocking import RankingClient
from serving.client.calls import Recorded
from serving.client.connection import Tls
from serving.client.errors import BusyError, DeadlineError, UnauthorisedError, UnreachableError
from serving.client.messages import PlacedItem, RankedSlate, RankRequest, ScoredImage, clicked
from serving.runtime.query import InvalidRequestError

__all__ = [
    "AsyncRankingClient",
    "BusyError",
    "DeadlineError",
    "InvalidRequestError",
    "PlacedItem",
    "RankRequest",
    "RankedSlate",
    "RankingClient",
    "Recorded",
    "ScoredImage",
    "Tls",
    "UnauthorisedError",
    "UnreachableError",
    "clicked",
]
